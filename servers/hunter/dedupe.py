"""Who has been seen in this file. Owns: the index of one import, on disk, in bounded memory.

The index is SQLite's private temporary database: it has no name, spills to disk beyond a small
cache and vanishes with its connection. People are found by digests of their keys; beside them it
holds their addresses and what their rows say about contacting, because that binds every row of the
person: those before it and those to come, whichever of them can be used. A row costs about the same
however many rows its person has.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from guardrails.errors import StoreUnavailable

_CACHE_KIB = 4096
_TABLES = """
CREATE TABLE seen (key BLOB PRIMARY KEY, person INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
    person INTEGER PRIMARY KEY, is_really INTEGER, opted_out INTEGER NOT NULL,
    customer INTEGER NOT NULL, bounced INTEGER NOT NULL, contacted TEXT NOT NULL
);
CREATE TABLE leads (person INTEGER, row INTEGER, PRIMARY KEY (person, row)) WITHOUT ROWID;
CREATE TABLE emails (person INTEGER, email TEXT, PRIMARY KEY (person, email)) WITHOUT ROWID;
"""
_WORDS = "SELECT is_really, opted_out, customer, bounced, contacted FROM people WHERE person = ?"


@dataclass(frozen=True, slots=True)
class Said:
    """What rows say about contacting; `contacted` is an ISO time in UTC, or empty."""

    opted_out: bool = False
    customer: bool = False
    bounced: bool = False
    contacted: str = ""

    def __or__(self, other: Said) -> Said:
        return Said(
            self.opted_out or other.opted_out,
            self.customer or other.customer,
            self.bounced or other.bounced,
            max(self.contacted, other.contacted),
        )


NOTHING_SAID = Said()


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a row's person once the row is.

    Args:
        first: the row that stands for the person, None when no row before this one does.
        said: by any row so far.
        told: rows standing for the person that learn something by this row.
        opted_out: addresses of somebody who wants no contact, each at least once.
    """

    first: int | None
    said: Said
    told: tuple[int, ...] = ()
    opted_out: tuple[str, ...] = ()


class SeenIndex:
    """Rows by person. Rows that share a key, or are joined by a row between them, are one."""

    def __init__(self) -> None:
        # One import is driven by one thread at a time, but not always the same one.
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._do = self._connection.execute
        self._do(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._do("PRAGMA journal_mode = OFF")
        self._do("PRAGMA synchronous = OFF")
        self._connection.executescript(_TABLES)

    def join(
        self, row: int, keys: Sequence[str], emails: Sequence[str], said: Said, *, leads: bool
    ) -> Person:
        """Add a row; rows come in their order. `leads`: it can stand for its person.

        Raises:
            StoreUnavailable: the temporary database cannot be written (disk full).
        """
        hashed = [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys]
        try:
            return self._join(row, hashed, emails, said, leads)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the import's temporary index failed: {error}") from error

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def _join(
        self, row: int, keys: Sequence[bytes], emails: Sequence[str], said: Said, leads: bool
    ) -> Person:
        before = self._known(keys)
        person = min(before, default=row)
        for known in before.values():
            said |= known
        self._do(
            "INSERT OR REPLACE INTO people VALUES (?, NULL, ?, ?, ?, ?)",
            (person, said.opted_out, said.customer, said.bounced, said.contacted),
        )
        for other in before.keys() - {person}:
            self._do("UPDATE people SET is_really = ? WHERE person = ?", (person, other))
            self._do("UPDATE leads SET person = ? WHERE person = ?", (person, other))
            self._do("UPDATE OR IGNORE emails SET person = ? WHERE person = ?", (person, other))
        many = self._connection.executemany
        many("INSERT OR REPLACE INTO seen VALUES (?, ?)", [(key, person) for key in keys])
        many("INSERT OR IGNORE INTO emails VALUES (?, ?)", [(person, email) for email in emails])
        told = self._leads(person) if any(known != said for known in before.values()) else ()
        first = self._first(person) if before else None
        if leads and first is None:
            self._do("INSERT INTO leads VALUES (?, ?)", (person, row))
        return Person(first, said, told, self._opted_out(person) if said.opted_out else ())

    def _known(self, keys: Sequence[bytes]) -> dict[int, Said]:
        """Who has one of these keys, and what their rows said."""
        marks = ",".join("?" * len(keys))
        query = f"SELECT DISTINCT person FROM seen WHERE key IN ({marks})"  # noqa: S608 - marks only
        return dict(self._really(person) for (person,) in self._do(query, keys).fetchall())

    def _really(self, person: int) -> tuple[int, Said]:
        """Somebody who may have turned out to be somebody else, and what their rows said."""
        while True:
            really, opted_out, customer, bounced, contacted = self._do(_WORDS, (person,)).fetchone()
            if really is None:
                return person, Said(bool(opted_out), bool(customer), bool(bounced), contacted)
            person = really

    def _first(self, person: int) -> int | None:
        query = "SELECT min(row) FROM leads WHERE person = ?"
        found: int | None = self._do(query, (person,)).fetchone()[0]
        return found

    def _leads(self, person: int) -> tuple[int, ...]:
        found = self._do("SELECT row FROM leads WHERE person = ? ORDER BY row", (person,))
        return tuple(row for (row,) in found)

    def _opted_out(self, person: int) -> tuple[str, ...]:
        """Addresses that were not told yet."""
        found = self._do("DELETE FROM emails WHERE person = ? RETURNING email", (person,))
        return tuple(sorted(email for (email,) in found))
