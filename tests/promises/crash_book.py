"""A hive's database as it is seen from outside while a case is played, on SQLite or PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes.live import query
from tests.promises.crash_cases import Step

_PREFIX = {
    Step.CAMPAIGN: "campaign:", Step.ACTIVATE: "activate:", Step.EMAIL: "send:",
    Step.CONTACT: "contact:", Step.TAGS: "tags:", Step.NOTE: "note:",
    Step.OPPORTUNITY: "opportunity:",
}  # fmt: skip


@dataclass(frozen=True)
class Book:
    """Deliveries and ledger of a hive. `url` is PostgreSQL's, None for the hive's own file."""

    hive: Path
    url: str | None = None

    def deliveries(self) -> list[dict[str, Any]]:
        """Every lead on its way out."""
        return query(self.hive, "SELECT * FROM deliveries", url=self.url)

    def writes(self, step: Step | None = None) -> list[dict[str, Any]]:
        """The ledger's rows of this step, or all of them, in the order of their making."""
        prefix = _PREFIX[step] if step else ""
        return query(
            self.hive,
            "SELECT * FROM writes WHERE key LIKE ? ORDER BY created_at",
            f"{prefix}%",
            url=self.url,
        )

    def status(self, step: Step) -> str:
        """The ledger's word of this step; empty when nothing was claimed yet."""
        found = self.writes(step)
        return str(found[0]["status"]) if found else ""

    def bound(self, step: Step) -> bool:
        """Whether the claim has its permit."""
        found = self.writes(step)
        return bool(found) and found[0]["permit_id"] is not None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes to the hive's own file meanwhile."""
        with contextlib.closing(
            sqlite3.connect(self.hive / "swarm.db", timeout=30, isolation_level=None)
        ) as conn:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                conn.execute("ROLLBACK")

    @contextlib.contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Nobody else writes to the audit meanwhile."""
        descriptor = os.open(self.hive / "audit" / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)
