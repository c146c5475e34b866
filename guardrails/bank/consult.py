"""The bank's answer to one question. Owns: precedence, verdict and citations; pure.

Hard rules block at one event. Otherwise the exact scope's belief decides (narrower > broader: a
broader level is only its prior), and people stand above statistics: a person's release makes a
block a review, and where people confirmed a golden pattern that only machines saw fail, or the
belief is between the thresholds, a person decides, with both sides cited.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from guardrails.bank.citations import (
    golden_citation,
    hard_citation,
    level_citation,
    passes_if,
)
from guardrails.bank.golden import match_golden
from guardrails.bank.models import Pattern
from guardrails.bank.posterior import Belief, beliefs
from guardrails.bank.slices import BankSlice, GoldenSlice
from guardrails.config.models import BankPolicy
from guardrails.errors import BankUnreadable
from guardrails.model import BankAnswer, BankCitation, GoldenMatch, Verdict


def consult_slice(
    evidence: Mapping[str, Any] | BankSlice, pattern: Pattern, policy: BankPolicy, now: datetime
) -> BankAnswer:
    """Answer `pattern` from a slice alone; the same four arguments give the same answer.

    Raises:
        BankUnreadable: `evidence` is no slice that this version knows.
    """
    part = evidence if isinstance(evidence, BankSlice) else _parse(evidence)
    matched, match = match_golden(part.golden, pattern.features, policy)
    golden = [golden_citation(matched, policy)] if matched else []
    if part.hard:
        hard = [hard_citation(cited) for cited in part.hard]
        text = f"Blocked by {hard[0].item_id}: {hard[0].title}. {hard[0].reason}"
        return _answer(Verdict.BLOCK, text, (*hard, *golden), part, match)
    levels = beliefs(part.levels, part.as_of, policy, now)
    probability = levels[0].probability(policy.theta)
    verdict, why = _judge(part, levels[0], probability, matched, policy, now)
    if verdict is Verdict.PASS:
        learned = _cited_in_passing(part, levels, policy)
    else:
        learned = _cited_as_cause(part, levels, verdict, policy, now)
    return _answer(verdict, why, (*learned, *golden), part, match)


def _parse(evidence: Mapping[str, Any]) -> BankSlice:
    try:
        return BankSlice.model_validate(evidence)
    except ValidationError as error:
        raise BankUnreadable(
            f"the recorded bank slice cannot be read: {error.error_count()} problems",
            remedy="Replay with the swarm version that recorded the decision.",
        ) from error


def _answer(
    verdict: Verdict,
    text: str,
    citations: tuple[BankCitation, ...],
    part: BankSlice,
    match: GoldenMatch,
) -> BankAnswer:
    return BankAnswer(
        verdict=verdict,
        text=text,
        citations=citations,
        golden=match,
        bank_version=part.bank_version,
    )


def _judge(
    part: BankSlice,
    exact: Belief,
    probability: float,
    golden: GoldenSlice | None,
    policy: BankPolicy,
    now: datetime,
) -> tuple[Verdict, str]:
    shown = f"P(failure rate > {policy.theta:g}) = {probability:.2f}"
    counted = f"{round(exact.k, 1):g} failures of {round(exact.n, 1):g} trials"
    counts = f"{counted} in this scope, {shown}"
    if probability < policy.review_at:
        return Verdict.PASS, f"No pattern of failure: {counts}, under {policy.review_at:g}."
    if probability < policy.block_at:
        return (
            Verdict.REVIEW,
            f"Perhaps a failing pattern: {counts}, at or over {policy.review_at:g}.",
        )
    softened = _softened(part, exact, golden, policy, now)
    if softened:
        return Verdict.REVIEW, f"{softened}: {counts}."
    return Verdict.BLOCK, f"A failing pattern: {counts}, at or over {policy.block_at:g}."


def _softened(
    part: BankSlice,
    exact: Belief,
    golden: GoldenSlice | None,
    policy: BankPolicy,
    now: datetime,
) -> str | None:
    """Why a block is only a review, if it is."""
    if exact.k <= 0:
        return "Broader scopes fail, this one has no failure of its own"
    if part.own.probe_open:
        return "A person released one probe of a failing pattern"
    expiry = timedelta(days=policy.block_expires_days)
    if part.own.last_at is not None and now - part.own.last_at > expiry:
        return f"A failing pattern without news for over {policy.block_expires_days:g} days"
    people_like_it = (
        golden is not None
        and golden.cited.trust == "human"
        and golden.level == part.levels[0].level
    )
    if people_like_it and not part.own.people_failed_it:
        return "People confirmed this structure, machines alone saw it fail"
    return None


def _cited_in_passing(
    part: BankSlice, levels: tuple[Belief, ...], policy: BankPolicy
) -> tuple[BankCitation, ...]:
    """Failures of similar drafts; the global level is no similarity."""
    own = f"it passes: cited only, review starts at P >= {policy.review_at:g}"
    broader = "it passes: a broader scope lends its rate to the prior, and does not decide"
    return tuple(
        level_citation(level.cited, belief, "cite", policy, broader if position else own)
        for position, (level, belief) in enumerate(zip(part.levels[:-1], levels, strict=False))
        if level.cited is not None and belief.k > 0
    )


def _cited_as_cause(
    part: BankSlice,
    levels: tuple[Belief, ...],
    verdict: Verdict,
    policy: BankPolicy,
    now: datetime,
) -> tuple[BankCitation, ...]:
    """Every level that has failed: the narrowest carries the effect, the others its prior."""
    condition = passes_if(part, levels, policy, now)
    citations: list[BankCitation] = []
    effect = verdict.value
    for level, belief in zip(part.levels, levels, strict=True):
        if level.cited is not None and belief.k > 0:
            citations.append(level_citation(level.cited, belief, effect, policy, condition))
            effect = "cite"
    return tuple(citations)
