"""The FailureTracker. Owns: that every failure becomes one row, also while the database is down.

Rows of vendor calls ride in the brakes' batched write (`insert`); everything else uses `record`,
which never raises. What a failure says is data for people and for Auto-Fix: nothing here decides
about a lead.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict

import structlog
from sqlalchemy import Connection

from guardrails.brakes.failure_clusters import Cluster, clusters
from guardrails.brakes.failure_kinds import KINDS, FailureKind
from guardrails.brakes.failure_pending import PendingFiles
from guardrails.brakes.failure_rows import FailureRow, checked_kind, clean, signature_of
from guardrails.clock import Clock, iso
from guardrails.correlation import current
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import failures
from guardrails.store.rows import insert_if_absent

log = structlog.get_logger(__name__)
_NAME = 32
_OPERATION = 64
_ID = 80


class FailureTracker:
    """Records the failures of one process.

    Args:
        server_name: a server, or `queen`.
        new_id: random part of a row's id.
    """

    def __init__(
        self,
        store: Store,
        hive: Hive,
        clock: Clock,
        server_name: str,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._store = store
        self._pending = PendingFiles(hive.failures_dir)
        self._clock = clock
        self._server = server_name[:_NAME]
        self._new_id = new_id

    def row(
        self,
        kind: FailureKind,
        operation: str,
        detail: str,
        *,
        vendor: str | None = None,
        status: int | None = None,
        attempt: int = 1,
        cost_micros: int = 0,
        injected: str | None = None,
        lead_id: str | None = None,
        run_id: str | None = None,
        server: str | None = None,
    ) -> FailureRow:
        """A row of now, under the lead and run of the work under way unless others are given.

        Raises:
            ValueError: `kind` is none.
        """
        work = current()
        server = (server or self._server)[:_NAME]
        told = clean(detail)
        operation = clean(operation, _OPERATION)
        checked_kind(kind)
        return FailureRow(
            failure_id=f"X-{self._new_id()}",
            at=iso(self._clock()),
            server=server,
            operation=operation,
            vendor=vendor[:_NAME] if vendor else None,
            kind=kind,
            status=status,
            signature=signature_of(
                kind, server=server, vendor=vendor, operation=operation, status=status, detail=told
            ),
            detail=told,
            lead_id=_id(lead_id or work.lead_id),
            run_id=_id(run_id or work.run_id),
            attempt=attempt,
            cost_micros=cost_micros,
            injected=injected[:_NAME] if injected else None,
        )

    def insert(self, conn: Connection, rows: Sequence[FailureRow]) -> None:
        """Put rows into the table, within a transaction of the caller's; known ids are left out."""
        for row in rows:
            insert_if_absent(conn, failures, asdict(row))

    async def record(self, row: FailureRow) -> None:
        """Keep one row: in the table, else in a pending file, else in the log. Never raises."""
        try:
            await self._store.run(lambda conn: self.insert(conn, (row,)))
        except StoreUnavailable as error:
            log.warning("failure_pending", kind=row.kind, why=error.message)
            await asyncio.to_thread(self.keep, (row,))

    def keep(self, rows: Sequence[FailureRow]) -> bool:
        """Keep rows in the pending file, without the database; False: lost, and logged."""
        return not rows or self._pending.add(rows)

    async def absorb_pending(self) -> int:
        """Move what pending files hold into the table.

        Returns:
            How many rows were new.

        Raises:
            StoreUnavailable: nothing was moved; the files stay.
        """
        paths = await asyncio.to_thread(self._pending.taken)
        if not paths:
            return 0
        rows = [row for path in paths for row in self._pending.rows(path)]

        def work(conn: Connection) -> int:
            return sum(insert_if_absent(conn, failures, asdict(row)) for row in rows)

        moved = await self._store.run(work)
        await asyncio.to_thread(self._pending.done, paths)  # after the commit, never before
        return moved

    def absorb(self, conn: Connection) -> Callable[[], None]:
        """As `absorb_pending`, within a transaction of the caller's.

        Returns:
            To be called after the commit: it deletes the files. Without it they are absorbed
            again later, to the same rows.
        """
        paths = self._pending.taken()
        for path in paths:
            self.insert(conn, list(self._pending.rows(path)))
        return lambda: self._pending.done(paths)


def _id(value: str | None) -> str | None:
    return value[:_ID] if value else None


__all__ = [
    "KINDS",
    "Cluster",
    "FailureKind",
    "FailureRow",
    "FailureTracker",
    "clean",
    "clusters",
    "signature_of",
]
