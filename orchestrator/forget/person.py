"""Who is to be forgotten. Owns: every spelling under which they may stand somewhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, select

from guardrails.errors import BadInput
from guardrails.identity import dedupe_key, lead_id, normalise_email
from guardrails.store.tables import run_items

_SHORTEST = 6  # shorter than any address: it would match by chance


@dataclass(frozen=True)
class Person:
    """One person.

    Args:
        lead_id: the salted id that outlives them.
        names: addresses in lower case, as they may be written.
    """

    lead_id: str
    names: tuple[str, ...]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Any of the names, in any letter case."""
        return re.compile("|".join(re.escape(name) for name in self.names), re.IGNORECASE)

    @cached_property
    def bytes_pattern(self) -> re.Pattern[bytes]:
        """The same in UTF-8."""
        parts = (re.escape(name.encode()) for name in self.names)
        return re.compile(b"|".join(parts), re.IGNORECASE)


def find(conn: Connection, salt: bytes, email: str) -> Person:
    """The person behind an address, with every spelling of it that their leads carry.

    Raises:
        BadInput: not an e-mail address.
    """
    key = dedupe_key(email)
    person_id = lead_id(salt, key)
    found = {email.strip(), normalise_email(email), key}
    rows = conn.execute(select(run_items.c.lead).where(run_items.c.lead_id == person_id))
    for row in rows:
        found |= set(_addresses(json.loads(row.lead) if row.lead else {}, key))
    names = {name.lower() for name in found if len(name) >= _SHORTEST}
    names |= {quote(name, safe="") for name in names}  # as a form or a link has it
    # The longest first, so that none leaves a rest of another behind.
    return Person(person_id, tuple(sorted(names, key=lambda name: (-len(name), name))))


def _addresses(value: Any, key: str) -> list[str]:
    """Texts in a lead that are this person's address."""
    if isinstance(value, dict):
        return [name for item in value.values() for name in _addresses(item, key)]
    if isinstance(value, list):
        return [name for item in value for name in _addresses(item, key)]
    if not isinstance(value, str) or "@" not in value:
        return []
    try:
        return [value] if dedupe_key(value) == key else []
    except BadInput:
        return []
