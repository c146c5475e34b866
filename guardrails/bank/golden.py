"""The golden set in the bank. Owns: turning configured patterns into items, and likeness.

Likeness is of structure and claims, never of wording. Refuses: samples as statistics; an item
whose source begins with `sample:` is compared and shown, but its invented successes weigh 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from guardrails.bank.fold import id_of, key_of
from guardrails.bank.index import similarity
from guardrails.bank.models import (
    CONFIGURED,
    GoldenEvent,
    Item,
    ItemAction,
    ItemKey,
    ItemScope,
    Lesson,
    Match,
)
from guardrails.bank.slices import GoldenSlice
from guardrails.bank.wording import scope_text
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
    retirement of those that are configured no more.

    What people promoted is theirs to retire, and what a person retired stays so until it is
    configured differently.
    """
    known = {item.id: item for item in items if item.kind == "golden"}
    wanted = {id_of(event.key): event for event in golden_events(golden, at)}
    for item_id, event in wanted.items():
        stated, retired_by = _standing(known.get(item_id))
        if stated != event.event_id or retired_by == CONFIGURED:
            yield event
    for item_id, item in known.items():
        stated, _ = _standing(item)
        if stated is not None and item.status == "active" and item_id not in wanted:
            yield ItemAction(
                event_id=f"golden:retire:{item_id}:{at.isoformat()}",
                at=at,
                action="retired",
                actor=CONFIGURED,
                text="No longer configured.",
                key=key_of(item),
            )


def promoted_event(
    lesson: Lesson, features: Mapping[str, str], *, actor: str, at: datetime, source: str
) -> GoldenEvent:
    """One e-mail that succeeded, as a golden pattern: a person says so. The same structure in the
    same scope is the same item, whoever promotes and on whatever machine.

    Args:
        lesson: about that e-mail.
        features: its structure; never its wording.
    """
    scope = ItemScope(**lesson.scope.model_dump())
    return GoldenEvent(
        event_id=f"golden:{lesson.event_id}",
        at=at,
        key=ItemKey(
            kind="golden",
            scope=scope,
            match=Match(features=dict(features)),
            name=f"Promoted: {scope_text(scope)}",
        ),
        successes=1,
        source=source,
        sample=False,
        actor=actor,
        trial=lesson.content_hash or lesson.event_id,
    )


def _standing(item: Item | None) -> tuple[str | None, str | None]:
    """The configured statement in force, and who retired the item, if it is retired."""
    if item is None:
        return None, None
    stated = [one for one in item.evidence if one.outcome == "golden" and one.actor == CONFIGURED]
    retired = [one for one in item.evidence if one.outcome == "retired"]
    by = retired[-1].actor if retired and item.status == "retired" else None
    return (stated[-1].event_id if stated else None), by


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
