"""The bank's statistics. Owns: beliefs about a failure rate, from the global level inward.

Every level's evidence excludes that of the narrower level inside it, so nothing counts twice. A
level with no broader evidence starts from the base prior, which makes the published numbers exact
(2/2 -> .59, 4/4 -> .89, 5/8 -> .81). Broader evidence moves the prior's *mean* towards its own
rate, by at most `parent_weight` pseudo-trials, and leaves the prior's *weight* that of the base
prior: it informs a thin scope, and a few outcomes of the scope's own still decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from guardrails.bank.beta import beta_tail
from guardrails.bank.slices import LevelName, LevelSlice
from guardrails.config.models import BankPolicy

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Belief:
    """One level: its own decayed failures `k` of `n`, and the Beta distributions around them."""

    level: LevelName
    k: float
    n: float
    prior: tuple[float, float]
    posterior: tuple[float, float]
    reach: float  # trials behind the posterior besides the base prior

    def probability(self, theta: float) -> float:
        """P(failure rate > theta)."""
        return beta_tail(*self.posterior, theta)


def beliefs(
    levels: tuple[LevelSlice, ...], as_of: datetime, policy: BankPolicy, now: datetime
) -> tuple[Belief, ...]:
    """One belief per level, narrow first like `levels`; the first one decides."""
    found: list[Belief] = []
    prior, lent = (policy.prior_alpha, policy.prior_beta), 0.0
    for level in reversed(levels):
        k, n = _decayed(level, as_of, now)
        posterior = (prior[0] + k, prior[1] + n - k)
        found.append(Belief(level.level, k, n, prior, posterior, lent + n))
        prior, lent = _lend(found[-1], policy)
    return tuple(reversed(found))


def _lend(parent: Belief, policy: BankPolicy) -> tuple[tuple[float, float], float]:
    """The child's prior and how many pseudo-trials of the parent are in it."""
    base = policy.prior_alpha + policy.prior_beta
    if parent.reach <= 0:
        return (policy.prior_alpha, policy.prior_beta), 0.0
    lent = policy.parent_weight * parent.reach / (parent.reach + policy.parent_weight)
    rate = parent.posterior[0] / sum(parent.posterior)
    mean = (policy.prior_alpha + lent * rate) / (base + lent)
    return (base * mean, base * (1.0 - mean)), lent


def _decayed(level: LevelSlice, as_of: datetime, now: datetime) -> tuple[float, float]:
    k = n = 0.0
    days = (now - as_of).total_seconds() / _DAY_S
    for part in level.sums:
        left = 0.5 ** (days / part.half_life_days)
        k += part.failures * left
        n += part.trials * left
    return min(k, n), n
