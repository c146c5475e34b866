"""The golden set in the bank. Owns: turning configured patterns into items, and likeness.

Likeness is of structure and claims, never of wording. Refuses: samples as statistics; an item
whose source begins with `sample:` is compared and shown, but its invented successes weigh 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from guardrails.bank.fold import id_of, key_of
from guardrails.bank.index import similarity
from guardrails.bank.models import GoldenEvent, Item, ItemAction, ItemKey, ItemScope, Match
from guardrails.bank.slices import GoldenSlice
from guardrails.config.models import BankPolicy, GoldenItem, GoldenSet
from guardrails.model import GoldenMatch, digest

_SAMPLE = "sample:"


def golden_events(golden: GoldenSet, at: datetime) -> Iterator[GoldenEvent]:
    """One event per configured item, taken in at `at`. The same content has the same id."""
    for item in golden.items:
        stated = digest(item)[:16]
        yield GoldenEvent(
            event_id=f"golden:{item.id}:{stated}",
            at=at,
            key=_key(item),
            successes=item.successes,
            source=item.source,
            sample=item.source.casefold().startswith(_SAMPLE),
        )


def golden_changes(
    golden: GoldenSet, items: Iterable[Item], at: datetime
) -> Iterator[GoldenEvent | ItemAction]:
    """What brings the bank's golden items in line with the configured set: new patterns, and
    retirement of those that are configured no more."""
    active = {item.id: item for item in items if item.kind == "golden" and item.status == "active"}
    wanted = {id_of(event.key): event for event in golden_events(golden, at)}
    for item_id, event in wanted.items():
        known = active.get(item_id)
        if known is None or event.event_id != known.evidence[-1].event_id:
            yield event
    for item_id in active.keys() - wanted.keys():
        yield ItemAction(
            event_id=f"golden:retire:{item_id}:{at.isoformat()}",
            at=at,
            action="retired",
            actor="config/golden_set.json",
            text="No longer configured.",
            key=key_of(active[item_id]),
        )


def match_golden(
    candidates: tuple[GoldenSlice, ...], features: Mapping[str, str], policy: BankPolicy
) -> tuple[GoldenSlice | None, GoldenMatch]:
    """The matching item, if any, and the comparison: narrowest match first, else the likest."""
    if not candidates:
        return None, GoldenMatch(matched=False)
    asked = frozenset(features.items())
    scored = [(similarity(frozenset(c.features.items()), asked), c) for c in candidates]
    matching = [pair for pair in scored if pair[0] >= policy.golden_similarity]
    likeness, chosen = matching[0] if matching else max(scored, key=lambda pair: pair[0])
    missing = tuple(
        f"{name}={value}"
        for name, value in sorted(chosen.features.items())
        if features.get(name) != value
    )
    return (chosen if matching else None), GoldenMatch(
        matched=bool(matching),
        item_id=chosen.cited.id,
        title=chosen.cited.title,
        similarity=round(likeness, 4),
        missing=missing,
    )


def _key(item: GoldenItem) -> ItemKey:
    scope = item.model_dump(include={"segment", "angle", "persona", "channel", "step"})
    return ItemKey(
        kind="golden",
        scope=ItemScope(**scope),
        match=Match(features=dict(item.features)),
        name=f"{item.id}: {item.title}",
    )
