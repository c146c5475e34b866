"""Who is to be forgotten. Owns: every spelling under which they may stand somewhere.

What makes two addresses one person (`identity.dedupe_key`: letter case, plus-tags, Gmail's dots)
makes them one here, too. Refuses to take another's address, of which this one is the end, for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import idna
from sqlalchemy import Column, ColumnElement, or_

from guardrails.identity import dedupe_key, lead_id

_AT = "(?:@|%40)"  # %40 in a form or a link
_TAG = r"(?:(?:\+|%2b)[^@%\s\"'<>]*)?"
# Not the end of a longer address; after an escape (%3D, or JSON's \n and \u003c) one begins anew.
_ESCAPED = r"(?<=%[0-9a-f]{2})|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4})"
_BEGINS = rf"(?:(?<![a-z0-9._+-])|{_ESCAPED})"
_ENDS = r"(?![a-z0-9-]|\.[a-z0-9])"
_GMAIL = ("gmail.com", "googlemail.com")


@dataclass(frozen=True)
class Person:
    """One person.

    Args:
        lead_id: the salted id that outlives them.
        key: what makes their addresses one.
        domains: under which they may stand.
    """

    lead_id: str
    key: str
    domains: tuple[str, ...]

    @classmethod
    def of(cls, salt: bytes, email: str) -> Person:
        """Whoever has this address.

        Raises:
            BadInput: not an e-mail address.
        """
        key = dedupe_key(email)
        domain = key.partition("@")[2]
        domains = _GMAIL if domain in _GMAIL else tuple({domain: 0, _shown(domain): 0})
        return cls(lead_id(salt, key), key, domains)

    @cached_property
    def _expression(self) -> str:
        local = self.key.partition("@")[0]
        letters = [re.escape(letter) for letter in local]
        name = r"\.?".join(letters) if self.domains == _GMAIL else "".join(letters)
        domains = "|".join(re.escape(domain) for domain in self.domains)
        return f"{_BEGINS}{name}{_TAG}{_AT}(?:{domains}){_ENDS}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Their address, in any spelling."""
        return re.compile(self._expression, re.IGNORECASE)

    @cached_property
    def bytes_pattern(self) -> re.Pattern[bytes]:
        """The same in UTF-8."""
        return re.compile(self._expression.encode(), re.IGNORECASE)

    def may_stand_in(self, column: Column[Any]) -> ColumnElement[bool]:
        """For a query: whether it is worth a closer look."""
        return or_(*(column.icontains(domain, autoescape=True) for domain in self.domains))

    def stands_in(self, texts: Iterator[str | None]) -> bool:
        """Whether their address stands in one of these."""
        return any(self.pattern.search(text) for text in texts if text)


def _shown(domain: str) -> str:
    """A domain of other letters as people write it."""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain
