"""The bank as a fold of events. Owns: which items an event touches, and what items derive.

Commutative and idempotent: an item is a function of its key and the *set* of its evidence, so
events in any order, doubled, or split over two machines and merged give the same items. Refuses:
to let evidence from the lead's side act (quarantine), and to count one e-mail twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from guardrails.bank.models import (
    FAILURES,
    SUCCESSES,
    Event,
    Evidence,
    GoldenEvent,
    Item,
    ItemAction,
    ItemKey,
    ItemScope,
    Lesson,
    Match,
    Status,
    Trust,
)
from guardrails.bank.wording import description_of, title_of
from guardrails.model import canonical_json, digest

_PREFIX = {"hard_rule": "HR", "learned_failure": "LF", "golden": "GS"}
_OUTCOMES = FAILURES | SUCCESSES
_TEXT_KEPT = 500
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trial:
    """One e-mail's fate: a failure outweighs whatever else happened to it."""

    failed: bool
    at: datetime
    weight: float


def fold(events: Iterable[Event]) -> dict[str, Item]:
    """Items by id, sorted by id, from events in any order with any doubles."""
    return absorb({}, events)


def absorb(items: Mapping[str, Item], events: Iterable[Event]) -> dict[str, Item]:
    """`items` with `events` folded in; untouched items are the same objects."""
    arrivals: dict[str, list[Evidence]] = {}
    keys: dict[str, ItemKey] = {}
    for event in events:
        for key, evidence in contributions(event):
            item_id = id_of(key)
            keys[item_id] = key
            arrivals.setdefault(item_id, []).append(evidence)
    merged = dict(items)
    for item_id, arrived in arrivals.items():
        known = items[item_id].evidence if item_id in items else ()
        merged[item_id] = derive(keys[item_id], (*known, *arrived))
    return dict(sorted(merged.items()))


def merge(mine: Mapping[str, Item], theirs: Mapping[str, Item]) -> dict[str, Item]:
    """Both machines' items: the union of the evidence under each key."""
    merged = dict(mine)
    for item_id, item in theirs.items():
        if item_id in mine:
            item = derive(key_of(item), (*mine[item_id].evidence, *item.evidence))
        merged[item_id] = item
    return dict(sorted(merged.items()))


def contributions(event: Event) -> Iterator[tuple[ItemKey, Evidence]]:
    """Every item that the event belongs to, with its evidence there."""
    if isinstance(event, ItemAction):
        yield event.key, _deed(event)
    elif isinstance(event, GoldenEvent):
        yield event.key, _golden(event)
    else:
        evidence = _outcome(event)
        yield ItemKey(kind="learned_failure", scope=item_scope(event)), evidence
        for match in _hard_matches(event):
            yield ItemKey(kind="hard_rule", match=match), evidence


def item_scope(lesson: Lesson) -> ItemScope:
    """The narrowest scope: all five fields. Broader levels are sums over these items."""
    return ItemScope(**lesson.scope.model_dump())


def key_of(item: Item) -> ItemKey:
    """The key under which `item` collects evidence."""
    name = item.title if item.kind == "golden" else ""
    return ItemKey(kind=item.kind, scope=item.scope, match=item.match, name=name)


def id_of(key: ItemKey) -> str:
    """The item's id: the same key has the same id on every machine."""
    return f"{_PREFIX[key.kind]}-{digest(key)[:16]}"


def derive(key: ItemKey, evidence: Iterable[Evidence]) -> Item:
    """The item that this evidence makes; the order and doubles of `evidence` do not matter."""
    kept = _distinct(evidence)
    tally = trials(kept)
    fingerprint = digest(key)
    return Item(
        id=f"{_PREFIX[key.kind]}-{fingerprint[:16]}",
        kind=key.kind,
        title=title_of(key),
        description=description_of(key),
        content=next((e.text for e in reversed(kept) if e.text and e.trust == "human"), ""),
        scope=key.scope,
        fingerprint=fingerprint,
        match=key.match,
        evidence=kept,
        alpha=sum(t.weight for t in tally if t.failed),
        beta=sum(t.weight for t in tally if not t.failed),
        source_trust=_trust(kept),
        status=_status(key, kept, tally),
        created_by=kept[0].actor,
    )


def counted(evidence: tuple[Evidence, ...]) -> list[Evidence]:
    """The outcomes that count: after the last retirement, and confirmed by more than the lead."""
    outcomes = [e for e in evidence if e.outcome in _OUTCOMES]
    retired = promoted = NEVER
    if len(outcomes) < len(evidence):  # people acted on the item
        retired, promoted = last_deed(evidence, "retired"), last_deed(evidence, "promoted")
    return [
        e for e in outcomes if e.at > retired and (e.trust != "lead_derived" or e.at <= promoted)
    ]


def trials(evidence: tuple[Evidence, ...]) -> list[Trial]:
    """One trial per e-mail: an angry reply, an unsubscribe and a complaint to one are one."""
    by_trial: dict[str, list[Evidence]] = {}
    for event in counted(evidence):
        by_trial.setdefault(event.trial, []).append(event)
    return [_fate(events) for events in by_trial.values()]


def last_deed(evidence: tuple[Evidence, ...], deed: str) -> datetime:
    """When a person last did `deed` to the item; `NEVER` when nobody did."""
    return max((e.at for e in evidence if e.outcome == deed), default=NEVER)


def _fate(events: list[Evidence]) -> Trial:
    failures = [e for e in events if e.outcome in FAILURES]
    newest = max(failures or events, key=lambda e: (e.at, e.event_id))
    return Trial(bool(failures), newest.at, newest.weight)


def _distinct(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """One per event id, oldest first. Two texts under one id: the failing one, then the one whose
    words were erased, then by bytes, so that every machine chooses alike."""
    chosen: dict[str, Evidence] = {}
    for candidate in evidence:
        known = chosen.get(candidate.event_id)
        if known is None or (known != candidate and _rank(candidate) > _rank(known)):
            chosen[candidate.event_id] = candidate
    return tuple(sorted(chosen.values(), key=lambda e: (e.at, e.event_id)))


def _rank(evidence: Evidence) -> tuple[bool, bool, bytes]:
    return evidence.outcome in FAILURES, not evidence.text, canonical_json(evidence)


def _trust(evidence: tuple[Evidence, ...]) -> Trust:
    present = {e.trust for e in evidence}
    if "human" in present:
        return "human"
    return "system" if "system" in present else "lead_derived"


def _status(key: ItemKey, evidence: tuple[Evidence, ...], tally: list[Trial]) -> Status:
    if not counted(evidence):
        retired = last_deed(evidence, "retired") != NEVER
        waits = any(e.trust == "lead_derived" for e in evidence)
        return "retired" if retired or not waits else "quarantined"
    if key.kind == "learned_failure" and sum(t.failed for t in tally) < 2:
        return "candidate"
    return "active"


def _hard_matches(lesson: Lesson) -> Iterator[Match]:
    if lesson.outcome == "rejection" and lesson.trust == "human":
        if lesson.lead_id and lesson.template_hash:
            yield Match(rule="resend", lead_id=lesson.lead_id, template_hash=lesson.template_hash)
        if lesson.content_hash:
            yield Match(rule="content", content_hash=lesson.content_hash)
        if lesson.lead_id and lesson.reason_code == "competitor":
            yield Match(rule="competitor", lead_id=lesson.lead_id)
    elif lesson.outcome in {"unsubscribe", "complaint"} and lesson.lead_id:
        yield Match(rule="opt_out", lead_id=lesson.lead_id)


def _outcome(lesson: Lesson) -> Evidence:
    return Evidence(
        event_id=lesson.event_id,
        outcome=lesson.outcome,
        reason_code=lesson.reason_code,
        actor=lesson.actor,
        trust=lesson.trust,
        weight=1.0,
        trial=_trial_of(lesson),
        at=lesson.at,
        text=lesson.text[:_TEXT_KEPT],
    )


def _trial_of(lesson: Lesson) -> str:
    if lesson.lead_id and lesson.template_hash:
        return digest([lesson.lead_id, lesson.template_hash])[:16]
    return digest(lesson.content_hash or lesson.event_id)[:16]


def _deed(action: ItemAction) -> Evidence:
    return Evidence(
        event_id=action.event_id,
        outcome=action.action,
        actor=action.actor,
        trust="human",
        weight=0.0,
        trial=action.event_id,
        at=action.at,
        text=action.text[:_TEXT_KEPT],
    )


def _golden(event: GoldenEvent) -> Evidence:
    return Evidence(
        event_id=event.event_id,
        outcome="golden",
        actor=event.actor,
        trust="system" if event.sample else "human",
        weight=0.0 if event.sample else float(event.successes),
        trial=event.trial,
        at=event.at,
        text=event.source[:_TEXT_KEPT],
    )
