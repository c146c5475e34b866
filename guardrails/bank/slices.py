"""The part of the bank that one question needs. Owns: its shape as JSON, for the audit record.

A slice is everything `consult_slice` reads, so a recorded one gives the recorded answer again,
long after the bank has moved on. Its size does not depend on the bank's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from guardrails.bank.fold import counted, last_deed, trials
from guardrails.bank.models import (
    FAILURES,
    Evidence,
    Instant,
    Item,
    ItemScope,
    Kind,
    Rule,
    Trust,
)
from guardrails.model import Frozen, Scope

LevelName = Literal["segment_angle_persona", "angle_persona", "angle", "global"]
LEVELS: tuple[LevelName, ...] = ("segment_angle_persona", "angle_persona", "angle", "global")
LevelKey = tuple[str | int | None, ...]
_CITED = 5
_WORDS = 160
_ADDRESS = re.compile(r"\S+@\S+")


class Cited(Frozen):
    """An item as citations name it."""

    id: str
    kind: Kind
    title: str
    trust: Trust
    rule: Rule | None = None
    k: float = Field(description="Failed trials, without decay.")
    n: float = Field(description="All trials, without decay.")
    events: tuple[str, ...] = Field(description="Newest first, at most 5; failures before others.")
    reason: str


class DecayedSum(Frozen):
    """Failures and trials as they weighed at the slice's `as_of`; they halve together."""

    half_life_days: float
    failures: float
    trials: float


class LevelSlice(Frozen):
    """One back-off level's own evidence: without that of the narrower level inside it."""

    level: LevelName
    sums: tuple[DecayedSum, ...] = ()
    cited: Cited | None = Field(default=None, description="The item that failed here last.")


class OwnScope(Frozen):
    """What only the exact scope's item can say."""

    last_at: Instant | None = Field(default=None, description="Newest counted outcome.")
    people_failed_it: bool = Field(default=False, description="A person's verdict is among them.")
    probe_open: bool = Field(default=False, description="Released; no outcome since.")


class GoldenSlice(Frozen):
    """The likest golden item of one level."""

    level: LevelName
    cited: Cited
    features: Mapping[str, str]


class BankSlice(Frozen):
    """All that one consultation reads."""

    slice_version: Literal[1] = 1
    bank_version: str
    as_of: Instant = Field(description="The instant at which the sums weigh what they say.")
    hard: tuple[Cited, ...] = ()
    levels: tuple[LevelSlice, ...] = Field(min_length=4, max_length=4, description="Narrow first.")
    own: OwnScope = OwnScope()
    golden: tuple[GoldenSlice, ...] = ()


def level_keys(scope: Scope | ItemScope) -> tuple[LevelKey, LevelKey, LevelKey, LevelKey]:
    """The scope's keys, narrow first; each holds all evidence of the one before. Channel and
    step stay apart at every level but the global one."""
    place = (scope.channel, scope.step)
    return (
        ("s", scope.segment, scope.angle, scope.persona, *place),
        ("p", scope.angle, scope.persona, *place),
        ("a", scope.angle, *place),
        ("g",),
    )


def cite(item: Item) -> Cited:
    """`item` as citations name it."""
    telling = sorted(
        counted(item.evidence) or item.evidence,
        key=lambda e: (e.outcome in FAILURES, e.at, e.event_id),
        reverse=True,
    )
    tally = trials(item.evidence)
    return Cited(
        id=item.id,
        kind=item.kind,
        title=item.title,
        trust=item.source_trust,
        rule=item.match.rule,
        k=sum(t.weight for t in tally if t.failed),
        n=sum(t.weight for t in tally),
        events=tuple(e.event_id for e in telling[:_CITED]),
        reason=_sentence(telling[0]),
    )


def own_scope(item: Item) -> OwnScope:
    """What the exact scope's item says beyond its sums."""
    outcomes = counted(item.evidence)
    last = max((e.at for e in outcomes), default=None)
    released = last_deed(item.evidence, "released")
    return OwnScope(
        last_at=last,
        people_failed_it=any(e.trust == "human" and e.outcome in FAILURES for e in outcomes),
        probe_open=last is not None and released > last,
    )


def _sentence(event: Evidence) -> str:
    if event.outcome == "golden":
        return f"Golden pattern, {event.text}."
    what = f"{event.outcome.replace('_', ' ')} on {event.at.date().isoformat()} by {event.actor}"
    code = f" ({event.reason_code})" if event.reason_code else ""
    words = _ADDRESS.sub("[address]", event.text)[:_WORDS] if event.trust == "human" else ""
    return f"{what}{code}" + (f": {words}" if words else ".")
