"""One vendor's rate limit as a value. Owns: the time at which the next request may leave.

A log of the last grants makes the window slide exactly: request n never leaves less than the
window after request n - limit. The window is stretched a little, because requests reach the
vendor later than they leave here, and not all equally late. A slot may lie in the future: whoever
takes it waits for it and nobody else gets it. Refuses slots beyond what a caller can wait.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from guardrails.config.models import VendorLimits

GRANT_S = 0.25  # a grant is used within this time, or asked for again
_STRETCH = 0.02
_TRANSIT_S = 0.1
_DAY_S = 86_400.0


def stretched(limits: VendorLimits) -> float:
    """Seconds of the window as we keep it: longer than the vendor's."""
    return limits.per_seconds * (1 + _STRETCH) + _TRANSIT_S


@dataclass(slots=True)
class Rate:
    """Grants given at one vendor. Times are epoch seconds."""

    grants: list[float] = field(default_factory=list)  # the last `requests` of them, rising
    pause_until: float = 0.0  # the vendor asked for silence until then
    day: str = ""
    used: int = 0  # slots that lie on `day` (UTC)

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Rate:
        """From its JSON form.

        Raises:
            ValueError: it is damaged.
        """
        return _FORM.validate_python(document)

    def next_slot(self, limits: VendorLimits | None, now: float) -> float:
        """Seconds from `now` until a request may leave."""
        at = max(now, self.pause_until)
        if limits is not None:
            window = stretched(limits)
            if self.grants:
                at = max(at, self.grants[-1])
            if len(self.grants) >= limits.requests:
                at = max(at, self.grants[-limits.requests] + window)
            if self._day_is_used_up(limits, at):
                at = _midnight_after(at)
        return at - now

    def take(self, limits: VendorLimits | None, now: float, wait_s: float) -> None:
        """Take the slot that `next_slot` named. It counts on the day that it lies in."""
        day = _day(now + wait_s)
        if self.day != day:
            self.day, self.used = day, 0
        self.used += 1
        if limits is not None:
            self.grants.append(now + wait_s)
            del self.grants[: -limits.requests]

    def is_today(self, now: float) -> bool:
        """Whether `used` counts the day of `now`."""
        return self.day == _day(now)

    def pause(self, now: float, seconds: float) -> None:
        """Nobody calls for so long."""
        self.pause_until = max(self.pause_until, now + min(seconds, _DAY_S))

    def set_back(self, seconds: float) -> None:
        """See `VendorState.set_back`. The day's count stays with its day."""
        self.grants = [one - seconds for one in self.grants]
        self.pause_until -= seconds

    def _day_is_used_up(self, limits: VendorLimits, at: float) -> bool:
        per_day = limits.per_day
        return per_day is not None and self.is_today(at) and self.used >= per_day


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def _midnight_after(now: float) -> float:
    return (now // _DAY_S + 1) * _DAY_S


_FORM = TypeAdapter(Rate)
