"""What the bank shows for what it says. Owns: ids, k/n, prior, posterior, "would pass if".

Refuses: an effect without a named item and its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, cast

from guardrails.bank.beta import beta_tail
from guardrails.bank.posterior import Belief, beliefs
from guardrails.bank.slices import BankSlice, Cited, GoldenSlice
from guardrails.bank.wording import PASSES_IF
from guardrails.config.models import BankPolicy
from guardrails.model import BankCitation

_UNUSED = "not used: a hard rule"
_MOST_SUCCESSES = 128
_HALF_LIVES = 8


def hard_citation(cited: Cited) -> BankCitation:
    """A hard rule: one event is enough, no statistics."""
    return BankCitation(
        item_id=cited.id,
        kind="hard_rule",
        title=cited.title,
        level="exact",
        effect="block",
        k=cited.k,
        n=cited.n,
        prior=_UNUSED,
        posterior=_UNUSED,
        probability=1.0,
        threshold=1.0,
        trust=cited.trust,
        evidence=cited.events,
        reason=cited.reason,
        would_pass_if=PASSES_IF[cited.rule] if cited.rule else "a person retires this rule",
    )


def level_citation(
    cited: Cited, belief: Belief, effect: str, policy: BankPolicy, condition: str
) -> BankCitation:
    """One back-off level: its own decayed counts, and the belief they lead to."""
    return BankCitation(
        item_id=cited.id,
        kind=cited.kind,
        title=cited.title,
        level=belief.level,
        effect=cast(Literal["block", "review", "cite"], effect),
        k=round(belief.k, 3),
        n=round(belief.n, 3),
        prior=_beta(belief.prior),
        posterior=_beta(belief.posterior),
        probability=round(belief.probability(policy.theta), 4),
        threshold=policy.block_at if effect == "block" else policy.review_at,
        trust=cited.trust,
        evidence=cited.events,
        reason=cited.reason,
        would_pass_if=condition,
    )


def golden_citation(golden: GoldenSlice, policy: BankPolicy) -> BankCitation:
    """A matched success pattern, with the belief that its own successes give."""
    a, b = policy.prior_alpha, policy.prior_beta + golden.cited.n
    return BankCitation(
        item_id=golden.cited.id,
        kind="golden",
        title=golden.cited.title,
        level=golden.level,
        effect="success",
        k=golden.cited.k,
        n=golden.cited.n,
        prior=_beta((policy.prior_alpha, policy.prior_beta)),
        posterior=_beta((a, b)),
        probability=round(beta_tail(a, b, policy.theta), 4),
        threshold=policy.review_at,
        trust=golden.cited.trust,
        evidence=golden.cited.events,
        reason=golden.cited.reason,
        would_pass_if="it speaks for the draft; nothing to mend",  # noqa: S106
    )


def passes_if(
    part: BankSlice, levels: tuple[Belief, ...], policy: BankPolicy, now: datetime
) -> str:
    """What would turn a review or block into a pass, in numbers."""
    ways = []
    successes = _least(_MOST_SUCCESSES, lambda more: _after_successes(levels[0], more, policy))
    if successes is not None:
        ways.append(f"{successes} more successes and no failure in this scope")
    weeks = _least(_most_weeks(policy), lambda quiet: _after_weeks(part, quiet, policy, now))
    if weeks is not None:
        ways.append(f"{weeks} more weeks without a failure")
    ways.append("another angle")
    return f"P < {policy.review_at:g}: {', or '.join(ways)}; or a person decides"


def _after_successes(exact: Belief, more: int, policy: BankPolicy) -> bool:
    a, b = exact.posterior
    return beta_tail(a, b + more, policy.theta) < policy.review_at


def _after_weeks(part: BankSlice, quiet: int, policy: BankPolicy, now: datetime) -> bool:
    then = beliefs(part.levels, part.as_of, policy, now + timedelta(weeks=quiet))
    return then[0].probability(policy.theta) < policy.review_at


def _most_weeks(policy: BankPolicy) -> int:
    return int(policy.half_life_days * _HALF_LIVES / 7) + 1


def _least(most: int, enough: Callable[[int], bool]) -> int | None:
    """The least number up to `most` that is enough, found by halving; None when none is."""
    if not enough(most):
        return None
    low, high = 0, most  # enough(high), not enough(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _beta(parameters: tuple[float, float]) -> str:
    return f"Beta({parameters[0]:.2f}, {parameters[1]:.2f})"
