"""Everything shared about one vendor, as one value. Owns: the answer to "may this call leave?".

Pure: state, rules, time and a question in; an answer and the new state out. The database gives
it to one process at a time (`guardrails.brakes.brakes`). In order: breaker, retry budget, rate.
Refuses by saying why and when to come back, and then leaves the state as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from guardrails.brakes.breaker import Breaker, Change, Outcome
from guardrails.brakes.rate import Rate
from guardrails.config.models import BreakerRules, RetryBudget, VendorLimits

OperationClass = Literal["read", "paid_read", "write"]
Why = Literal["breaker_open", "rate_limited", "retry_budget"]


@dataclass(frozen=True)
class VendorRules:
    """What config/production.json says of one vendor."""

    breaker: BreakerRules
    retry_budget: RetryBudget
    limits: VendorLimits | None  # None: no limit is kept (twins that enforce none)
    lease_s: float  # longest life of one attempt: a probe is given up after it


@dataclass(frozen=True)
class Asked:
    """One attempt that wants to leave.

    `holds_slot`: it has been granted a slot, has waited for it and asks whether all still stands.
    `again`: it has asked before, and is counted.
    """

    operation_class: OperationClass
    attempt: int
    token: str
    max_wait_s: float
    holds_slot: bool = False
    again: bool = False


@dataclass(frozen=True)
class Granted:
    """It may leave, `wait_s` seconds from now."""

    wait_s: float
    is_probe: bool


@dataclass(frozen=True)
class Turned:
    """It may not leave; `retry_after_s` is when asking again makes sense."""

    why: Why
    retry_after_s: float


@dataclass(frozen=True)
class Ended:
    """How an attempt ended. `pause_s`: the vendor asked for silence."""

    operation_class: OperationClass
    outcome: Outcome
    token: str | None = None
    why: str = ""
    pause_s: float | None = None


@dataclass(slots=True)
class VendorState:
    """Rate, retry budget and breakers of one vendor."""

    rate: Rate = field(default_factory=Rate)
    retries: float | None = None  # left in the budget; None: never used
    breakers: dict[OperationClass, Breaker] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> VendorState:
        """From the database.

        Raises:
            ValueError: the document is damaged.
        """
        try:
            found: dict[str, Any] = orjson.loads(text)
            breakers = {name: Breaker.of(one) for name, one in found["breakers"].items()}
            left = found["retries"]
            return cls(Rate.of(found["rate"]), None if left is None else float(left), breakers)
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise ValueError("not a vendor's state") from error

    def dump(self) -> str:
        """For the database."""
        return orjson.dumps(self).decode()

    def ask(
        self, rules: VendorRules, now: float, asked: Asked
    ) -> tuple[Granted | Turned, Change | None]:
        """Whether an attempt may leave. Turned away, it leaves no trace."""
        breaker = self.breakers.setdefault(asked.operation_class, Breaker())
        mine = breaker.probe == asked.token  # it was the probe before it waited for its slot
        if not mine and (pause := breaker.refuses(now)) > 0:
            return Turned("breaker_open", pause), None
        budget = rules.retry_budget
        left = budget.reserve if self.retries is None else self.retries
        retry = asked.attempt > 1 and not asked.again
        if retry and left < 1:
            return Turned("retry_budget", 0.0), None
        wait = self._wait(rules, now, asked)
        if wait > asked.max_wait_s:
            return Turned("rate_limited", wait), None
        if retry:
            self.retries = left - 1
        elif asked.attempt == 1 and not asked.again:
            self.retries = min(budget.reserve, left + budget.ratio)
        if wait > 0 or not asked.holds_slot:
            self.rate.take(rules.limits, now, wait)
        if mine:
            return Granted(wait, is_probe=True), None
        is_probe, change = breaker.enter(now, asked.token, rules.lease_s + wait)
        return Granted(wait, is_probe), change

    def end(self, rules: VendorRules, now: float, ended: Ended) -> Change | None:
        """An attempt has ended."""
        if ended.pause_s is not None:
            self.rate.pause(now, ended.pause_s)
        breaker = self.breakers.setdefault(ended.operation_class, Breaker())
        return breaker.leave(rules.breaker, now, ended.outcome, ended.token, ended.why)

    def set_back(self, seconds: float) -> None:
        """The clock was set back by so much: what is noted by it goes with it."""
        self.rate.set_back(seconds)
        for breaker in self.breakers.values():
            breaker.until -= seconds

    def _wait(self, rules: VendorRules, now: float, asked: Asked) -> float:
        if asked.holds_slot and self.rate.pause_until <= now:
            return 0.0  # it has its slot already
        # A slot in a silence is void: if all of those left at its end, they would leave at once.
        return self.rate.next_slot(rules.limits, now)
