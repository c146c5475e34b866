"""What we may ask of a vendor. Owns: the closed list of a vendor's operations and their effect.

An adapter names an `Operation` for each request. The HTTP stack refuses a request that matches
none: an endpoint nobody thought about cannot be reached, in any mode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum


class Effect(StrEnum):
    """What a request does at the vendor."""

    READ = "read"  # changes nothing (some vendors search by POST)
    PAID_READ = "paid_read"  # changes nothing but our balance
    WRITE = "write"  # changes something outside: needs a permit, never in shadow


@dataclass(frozen=True)
class Operation:
    """One vendor endpoint. `path` is a template: `/contacts/{id}` matches one segment.

    `price` names the entry of `spend.prices_micros.<vendor>` that a paid read costs.
    """

    name: str
    method: str
    path: str
    effect: Effect
    idempotent: bool = True
    price: str = ""
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        escaped = re.escape(self.path).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", escaped) + r"\Z")
        object.__setattr__(self, "pattern", pattern)

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and path (below the base URL) is this operation."""
        return method == self.method and self.pattern.match(path) is not None
