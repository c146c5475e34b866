"""A hive's database as it is seen from outside while a case is played, on SQLite or PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes.live import query
from tests.promises.crash_cases import Step

RESUMES = 3
LATER_S = 400  # by then nobody can be at a write any more, as the ledger reckons
_SOON_S = 0.5  # longer than any write of the swarm takes
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

    def unknown(self) -> set[str]:
        """Keys of what nobody can tell."""
        return {row["key"] for row in self.writes() if row["status"] == "unknown"}

    def is_open(self) -> bool:
        """Whether a lead waits, or the CRM is still to be told."""
        found = self.deliveries()
        waiting = {"queued", "deferred", "unknown"}
        return not found or any(row["state"] in waiting or row["not_before"] for row in found)

    def finish(self, run: Callable[[float], int], offset_s: float) -> tuple[int, int | None]:
        """Run the same command again until nothing is open or only a person could tell.

        Args:
            run: at that moment of the sandbox's clock; gives the exit code.

        Returns:
            How often, and the last exit code, None without one.
        """
        code = None
        for times in range(RESUMES):
            if not self.is_open():
                return times, code
            unknown = self.unknown()
            offset_s += LATER_S
            code = run(offset_s)
            if unknown and self.unknown() == unknown:
                return times + 1, code  # the vendor was asked and could not tell: a person's
        return RESUMES, code

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

    def is_free(self) -> bool:
        """Whether nobody who is stopped holds the hive's own file in the middle of a write."""
        if self.url is not None:
            return True
        with contextlib.closing(
            sqlite3.connect(self.hive / "swarm.db", timeout=_SOON_S, isolation_level=None)
        ) as conn:
            try:
                conn.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            conn.execute("ROLLBACK")
            return True

    @contextlib.contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Nobody else writes to the audit meanwhile."""
        descriptor = os.open(self.hive / "audit" / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)
