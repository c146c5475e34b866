"""What we may ask of a vendor. Owns: the closed list of a vendor's operations and their effect.

An adapter names an `Operation` for each request. The HTTP stack refuses a request that matches
none: an endpoint nobody thought about cannot be reached, in any mode. A write names what it may
do (`actions`) and reads back, from the request itself, what exactly it does (`intent`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from guardrails.errors import ConfigError
from guardrails.ledger_rows import REPEATABLE
from guardrails.model import WriteAction, WriteIntent


class Effect(StrEnum):
    """What a request does at the vendor."""

    READ = "read"  # changes nothing (some vendors search by POST)
    PAID_READ = "paid_read"  # changes nothing but our balance
    WRITE = "write"  # changes something outside: needs a permit, never in shadow


@dataclass(frozen=True)
class Settled:
    """What an answer to a write means, where its status alone does not say it.

    Args:
        status: `sent`: it is done. `failed`: it certainly is not. `unknown`: nobody can tell.
        vendor_ref: the vendor's id of what was made, at most 200 characters.
        result: what a later call with the same key is told; JSON values, nobody's data.
        note: for a person.
    """

    status: Literal["sent", "failed", "unknown"]
    vendor_ref: str | None = None
    result: Mapping[str, Any] | None = None
    note: str | None = None


# From the path's values and the JSON body (None without one) to what the request does. Any
# exception means that it does not say so clearly: the request is refused.
Binder = Callable[[Mapping[str, str], Any], WriteIntent]
# From status and JSON body (None when there is none) to what it means; None: as the status says.
# Asked for answers below 500 except 401 to 403, 408 and 429.
Settler = Callable[[int, Any], Settled | None]


@dataclass(frozen=True)
class Operation:
    """One vendor endpoint. `path` is a template: `/contacts/{id}` matches one segment.

    `price` names the entry of `spend.prices_micros.<vendor>` that a paid read costs. A write
    names its possible `actions` and its binder, `intent`; `idempotent=False` unless doing it
    twice is doing it once. `settle` judges its answers where the status does not suffice.
    """

    name: str
    method: str
    path: str
    effect: Effect
    idempotent: bool = True
    price: str = ""
    actions: tuple[WriteAction, ...] = ()
    intent: Binder | None = None
    settle: Settler | None = None
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        escaped = re.escape(self.path).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.compile(re.sub(r"\{([a-z_]+)\}", r"(?P<\1>[^/]+)", escaped) + r"\Z")
        object.__setattr__(self, "pattern", pattern)

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and path (below the base URL) is this operation."""
        return method == self.method and self.pattern.match(path) is not None

    def meets(self, other: Operation) -> bool:
        """Whether one request could be both."""
        ours, theirs = _segments(self.path), _segments(other.path)
        return (
            self.method == other.method
            and len(ours) == len(theirs)
            and all(a == b or "{}" in (a, b) for a, b in zip(ours, theirs, strict=True))
        )

    def values(self, path: str) -> dict[str, str]:
        """The values of the template's names in `path`, which matches."""
        found = self.pattern.match(path)
        return found.groupdict() if found else {}


def _segments(path: str) -> list[str]:
    return ["{}" if part.startswith("{") else part for part in path.split("/")]


def require_bound(vendor: str, operations: Sequence[Operation]) -> None:
    """Every write can be held against a permit, is told from everything else by its method and
    path alone, and says that it may be repeated only when it may.

    Raises:
        ConfigError: names the operation and what it lacks. A defect of the adapter.
    """
    for one in operations:
        if one.effect is not Effect.WRITE:
            continue
        problem = None
        if one.intent is None:
            problem = "it has no binder"
        elif not one.actions or not all(isinstance(each, WriteAction) for each in one.actions):
            problem = "it names no declared action"
        elif one.idempotent and not REPEATABLE.issuperset(one.actions):
            problem = "it calls itself idempotent, and what it does is not"
        else:
            twins = [each.name for each in operations if each is not one and each.meets(one)]
            problem = f"a request could also be {twins[0]}" if twins else None
        if problem:
            raise ConfigError(
                f"{vendor} {one.name}: a write that no permit could be checked for: {problem}",
                remedy="Mend the adapter's operation.",
            )
