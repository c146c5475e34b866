"""A person's words taken out of the bank. Owns: that what an event counts for stays as it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from guardrails.bank.fold import derive, key_of
from guardrails.bank.models import Evidence, Item


def events_of(items: Mapping[str, Item], lead_id: str) -> frozenset[str]:
    """Events that rules about this lead rest on; the same events stand in learned items."""
    mine = (item for item in items.values() if item.match.lead_id == lead_id)
    return frozenset(one.event_id for item in mine for one in item.evidence)


def without_words(
    items: Mapping[str, Item], event_ids: Collection[str], names: re.Pattern[str]
) -> dict[str, Item]:
    """`items` with the words of these events emptied, and `names` erased from all others."""
    return {id: _without(item, event_ids, names) for id, item in items.items()}


def _without(item: Item, event_ids: Collection[str], names: re.Pattern[str]) -> Item:
    evidence = tuple(_silent(one, event_ids, names) for one in item.evidence)
    if evidence == item.evidence:
        return item
    return derive(key_of(item), evidence)


def _silent(one: Evidence, event_ids: Collection[str], names: re.Pattern[str]) -> Evidence:
    text = "" if one.event_id in event_ids else names.sub("[erased]", one.text)
    return one if text == one.text else one.model_copy(update={"text": text})
