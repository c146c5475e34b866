"""One circuit breaker as a value. Owns: when calls to a failing vendor stop, and the one probe.

Closed, it counts outcomes in a sliding window of slots. It opens on too many failures in the
window, or on enough of them in a row; then nobody calls. When the pause is over exactly one call
goes through as the probe; its outcome closes the breaker or opens it again. A probe whose caller
died is given to the next caller when its lease is over. Refuses to be swayed by outcomes of calls
that began before it opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from guardrails.config.models import BreakerRules

State = Literal["closed", "open", "half_open"]
Outcome = Literal["ok", "failure", "neutral"]
_SLOTS = 12  # the window's resolution
_Slot = Annotated[list[int], Field(min_length=3, max_length=3)]  # its number, calls, failures


@dataclass(frozen=True)
class Change:
    """The breaker went into another state."""

    state: State
    reason: str


@dataclass(slots=True)
class Breaker:
    """One vendor's breaker for one class of operations. Times are epoch seconds."""

    state: State = "closed"
    until: float = 0.0  # open: end of the pause; half-open: end of the probe's lease
    probe: str | None = None  # who probes
    in_a_row: int = 0
    slots: list[_Slot] = field(default_factory=list)

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Breaker:
        """From its JSON form.

        Raises:
            ValueError: it is damaged.
        """
        return _FORM.validate_python(document)

    def refuses(self, now: float) -> float:
        """Seconds for which nobody may call; 0 when somebody may."""
        return 0.0 if self.state == "closed" else max(0.0, self.until - now)

    def enter(self, now: float, token: str, lease_s: float) -> tuple[bool, Change | None]:
        """A call goes through (call `refuses` first): whether it is the probe."""
        if self.state == "closed":
            return False, None
        taken_over = self.state == "half_open"
        self.state, self.probe, self.until = "half_open", token, now + lease_s
        said = "the former probe never answered" if taken_over else "the pause is over"
        return True, Change("half_open", f"{said}: one call probes")

    def leave(
        self, rules: BreakerRules, now: float, outcome: Outcome, token: str | None, why: str
    ) -> Change | None:
        """A call has ended."""
        if self.state != "closed":
            mine = token is not None and token == self.probe
            return self._probed(rules, now, outcome, why) if mine else None
        if outcome == "neutral":
            return None
        failed = outcome == "failure"
        self.in_a_row = self.in_a_row + 1 if failed else 0
        calls, failures = self._count(rules, now, failed=failed)
        if self.in_a_row >= rules.consecutive:
            return self._open(rules, now, f"{self.in_a_row} failures in a row, the last: {why}")
        if failed and calls >= rules.min_calls and failures >= rules.failure_ratio * calls:
            span = f"{failures} of {calls} calls in {rules.window_s:g} s failed"
            return self._open(rules, now, f"{span}, the last: {why}")
        return None

    def _probed(self, rules: BreakerRules, now: float, outcome: Outcome, why: str) -> Change:
        if outcome == "failure":
            return self._open(rules, now, f"the probe failed: {why}")
        # A 4xx or 429 is an answer: the vendor is there.
        self.state, self.probe, self.until, self.in_a_row = "closed", None, 0.0, 0
        self.slots.clear()
        return Change("closed", "the probe was answered")

    def _open(self, rules: BreakerRules, now: float, reason: str) -> Change:
        self.state, self.probe, self.until = "open", None, now + rules.open_s
        self.in_a_row = 0
        self.slots.clear()
        return Change("open", reason)

    def _count(self, rules: BreakerRules, now: float, *, failed: bool) -> tuple[int, int]:
        number = int(now // (rules.window_s / _SLOTS))
        # Also what claims to be of the future goes: the clock was set back.
        self.slots = [slot for slot in self.slots if number - _SLOTS < slot[0] <= number]
        if not self.slots or self.slots[-1][0] != number:
            self.slots.append([number, 0, 0])
        self.slots[-1][1] += 1
        self.slots[-1][2] += failed
        return sum(slot[1] for slot in self.slots), sum(slot[2] for slot in self.slots)


_FORM = TypeAdapter(Breaker)
