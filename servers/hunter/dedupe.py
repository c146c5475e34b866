"""Who has been seen in this file. Owns: the index of one import, on disk, in bounded memory.

The index is SQLite's private temporary database: it has no name, spills to disk beyond a small
cache and vanishes with its connection. People are found by digests; beside them it holds the
address of each first row, because a later row may say that this person opted out.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from guardrails.errors import StoreUnavailable

_CACHE_KIB = 4096


class SeenIndex:
    """Key to the first row that had it."""

    def __init__(self) -> None:
        # One import is driven by one thread at a time, but not always the same one.
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._connection.execute("CREATE TABLE people (row INTEGER PRIMARY KEY, email TEXT)")

    def first(self, keys: Sequence[str], row: int, email: str | None) -> int | None:
        """The earliest row that shares a key, or None; the keys then belong to that row.

        `email` is the row's address, kept when it is a first row.

        Keys of a duplicate are learned too, so that a third row which only shares the second
        one's address is recognised as the same person.

        Raises:
            StoreUnavailable: the temporary database cannot be written (disk full).
        """
        hashed = [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys]
        marks = ",".join("?" * len(hashed))
        try:
            found = self._connection.execute(
                f"SELECT min(row) FROM seen WHERE key IN ({marks})",  # noqa: S608 - marks only
                hashed,
            ).fetchone()[0]
            owner = row if found is None else int(found)
            if found is None:
                self._connection.execute("INSERT INTO people VALUES (?, ?)", (row, email))
            self._connection.executemany(
                "INSERT OR IGNORE INTO seen (key, row) VALUES (?, ?)",
                [(key, owner) for key in hashed],
            )
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the import's temporary index failed: {error}") from error
        return None if found is None else owner

    def email_of(self, row: int) -> str | None:
        """The address of a first row.

        Raises:
            StoreUnavailable: the temporary database cannot be read.
        """
        try:
            found = self._connection.execute(
                "SELECT email FROM people WHERE row = ?", (row,)
            ).fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the import's temporary index failed: {error}") from error
        return None if found is None or found[0] is None else str(found[0])

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()
