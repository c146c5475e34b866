"""Whose work this is. Owns: the lead and run that logs, failures and spending are booked under.

Set by whoever begins work on a lead; carried to a server in the call's `_meta`; read by what
records. It decides nothing: nobody gets a permission from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

LEAD = "swarm/lead"
RUN = "swarm/run"
_LONGEST = 80


@dataclass(frozen=True)
class Correlation:
    """Ids of the work under way; both are None outside of it."""

    lead_id: str | None = None
    run_id: str | None = None

    def as_meta(self) -> dict[str, str]:
        """For the `_meta` of a call."""
        named = {LEAD: self.lead_id, RUN: self.run_id}
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def of_meta(cls, meta: Mapping[str, Any] | None) -> Correlation:
        """From the `_meta` of a call; what is no plain id is left out."""
        return cls(_id((meta or {}).get(LEAD)), _id((meta or {}).get(RUN)))


_NOBODY = Correlation()
_current: ContextVar[Correlation] = ContextVar("correlation", default=_NOBODY)


def current() -> Correlation:
    """Of the work that this task does."""
    return _current.get()


@contextmanager
def correlated(correlation: Correlation) -> Iterator[None]:
    """Do the block's work under these ids."""
    token = _current.set(correlation)
    try:
        yield
    finally:
        _current.reset(token)


def _id(value: Any) -> str | None:
    fit = isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
    return value if fit else None
