"""Runs and their rows in the database. Owns: that each row ends once, in one state (P7).

A run is one leads file in one mode. Its rows are written when the file is read and settled once:
the first settlement wins, so a replayed step changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Select, func, select, update

from guardrails.approval_rows import count_waiting
from guardrails.clock import Clock, iso
from guardrails.config.models import ApprovalRules
from guardrails.errors import NotFound
from guardrails.model import Lead, Mode
from guardrails.store import Store, insert_if_absent
from guardrails.store.people_tables import approvals
from guardrails.store.tables import run_items, runs, spent_permits
from guardrails.store.write_tables import deliveries
from orchestrator.deliveries import give_up
from orchestrator.delivery_rows import unfinished
from orchestrator.fleet.free_rows import of_people
from orchestrator.run_records import (
    Mark,
    Rejected,
    Run,
    Settled,
    lead_row,
    rejected_row,
    run_of,
)
from orchestrator.settlement import settle

_OPENING = 0x52554E53  # any number, the same everywhere


class Runs:
    """Everything the queen writes about runs. All methods are short transactions."""

    def __init__(self, store: Store, clock: Clock, approvals: ApprovalRules) -> None:
        self._store = store
        self._clock = clock
        self._approvals = approvals

    async def open(
        self, run_key: str, run_id: str, mode: Mode, sandbox: bool, source: str, *, fresh: bool
    ) -> Run:
        """The unfinished run with this key, or a new one under `run_id`."""

        def work(conn: Connection) -> Run:
            if conn.dialect.name == "postgresql":  # the same command on two machines at once
                conn.execute(select(func.pg_advisory_xact_lock(_OPENING)))
            found = conn.execute(
                select(runs)
                .where(runs.c.run_key == run_key, runs.c.status == "running")
                .order_by(runs.c.created_at.desc())
                .limit(1)
            ).one_or_none()
            if found is not None and not fresh:
                here = runs.c.run_id == found.run_id
                conn.execute(update(runs).where(here).values(left_at=None))
                return run_of(found, resumed=True)
            self._abandon(conn, run_key)
            values = {
                "run_id": run_id,
                "run_key": run_key,
                "mode": mode.value,
                "sandbox": sandbox,
                "source": source,
                "status": "running",
                "total": None,
                "created_at": iso(self._clock()),
                "finished_at": None,
                "left_at": None,
            }
            conn.execute(runs.insert().values(values))
            return run_of(conn.execute(select(runs).where(runs.c.run_id == run_id)).one())

        return await self._store.run(work)

    def _abandon(self, conn: Connection, run_key: str) -> None:
        """--fresh gives the unfinished ones up: their rows stay as they are, on record."""
        now = iso(self._clock())
        mine = (runs.c.run_key == run_key, runs.c.status == "running")
        given_up = list(conn.execute(select(runs.c.run_id).where(*mine)).scalars())
        if given_up:
            # First: whoever settles one of their rows at this moment has queued it, or sees this.
            conn.execute(update(runs).where(*mine).values(status="abandoned", finished_at=now))
            give_up(conn, given_up, now)

    async def add_page(
        self, run_id: str, leads: Sequence[Lead], rejected: Sequence[Rejected]
    ) -> None:
        """Write one page of the file. Rows that are there already stay as they are."""
        now = iso(self._clock())
        rows = [lead_row(run_id, lead, now) for lead in leads]
        rows += [rejected_row(run_id, reject, now) for reject in rejected]

        def work(conn: Connection) -> None:
            for row in rows:
                insert_if_absent(conn, run_items, row)

        await self._store.run(work)

    async def mark(self, run_id: str, marks: Sequence[Mark]) -> None:
        """Add what a duplicate row says of a person to the first row of that person."""

        def work(conn: Connection) -> None:
            for mark in marks:
                place = (run_items.c.run_id == run_id, run_items.c.row == mark.row)
                # Held: another machine that was given the same file marks the same rows.
                asked = select(run_items.c.lead).where(*place).with_for_update()
                text = conn.execute(asked).scalar_one_or_none()
                if text is None:
                    continue
                lead = mark.on(Lead.model_validate_json(text))
                document = lead.model_dump_json(exclude_defaults=True)
                conn.execute(update(run_items).where(*place).values(lead=document))

        await self._store.run(work)

    async def imported(self, run: Run, total: int) -> Run:
        """The file is read to its end: `total` data rows."""
        statement = update(runs).where(runs.c.run_id == run.run_id).values(total=total)
        await self._store.run(lambda conn: conn.execute(statement))
        return replace(run, total=total)

    async def previous(self, run_id: str) -> str | None:
        """The run that was opened before this one, if any."""
        opened = select(runs.c.created_at).where(runs.c.run_id == run_id).scalar_subquery()
        statement = (
            select(runs.c.run_id)
            .where(runs.c.created_at < opened)
            .order_by(runs.c.created_at.desc())
            .limit(1)
        )
        return await self._store.query(lambda conn: conn.execute(statement).scalar_one_or_none())

    async def permits_spent(self, since: str) -> int:
        """Permits spent since then: every write at a vendor spends one (P1)."""
        statement = (
            select(func.count()).select_from(spent_permits).where(spent_permits.c.spent_at >= since)
        )
        return await self._store.query(lambda conn: conn.execute(statement).scalar_one())

    async def lead(self, run_id: str, row: int) -> Lead:
        """The lead of a row."""
        statement = select(run_items.c.lead).where(
            run_items.c.run_id == run_id, run_items.c.row == row
        )
        text = await self._store.query(lambda conn: conn.execute(statement).scalar_one_or_none())
        if text is None:
            raise NotFound(f"run {run_id} has no lead in row {row}")
        return Lead.model_validate_json(text)

    async def settle(self, run_id: str, settled: Settled) -> bool:
        """End a row, once. False when it had ended before.

        A decision `ready` is queued for delivery in the same transaction, and one that only a
        person can let go asks for that person in it.
        """
        at = self._clock()
        return await self._store.run(
            lambda conn: settle(conn, run_id, settled, self._approvals, at)
        )

    async def given_up(self, run_key: str) -> list[str]:
        """Runs of this key that --fresh gave up and of which something still waits for a person."""
        statement = select(runs.c.run_id).where(
            runs.c.run_key == run_key, runs.c.status == "abandoned"
        )

        def work(conn: Connection) -> list[str]:
            ids = conn.execute(statement).scalars()
            return [run_id for run_id in ids if count_waiting(conn, run_id)]

        return await self._store.query(work)

    async def awaiting(self, run_id: str) -> int:
        """How many of the run wait for a person."""
        return await self._store.query(lambda conn: count_waiting(conn, run_id))

    async def count_ended(self, run_id: str) -> int:
        """How many rows have ended."""
        statement = (
            select(func.count())
            .select_from(run_items)
            .where(run_items.c.run_id == run_id, run_items.c.state.is_not(None))
        )
        return await self._store.query(lambda conn: conn.execute(statement).scalar_one())

    async def leave(self, run_id: str) -> None:
        """Whoever started it ends before its rows have: they wait for the same command, and no
        other queen takes them up. One who dies leaves them to the others.
        """
        running = (runs.c.run_id == run_id, runs.c.status == "running")
        left = update(runs).where(*running).values(left_at=iso(self._clock()))
        await self._store.run(lambda conn: conn.execute(left))

    async def finish(self, run_id: str) -> None:
        """All rows have ended; while one has not, it goes on running."""
        statement = (
            update(runs)
            .where(runs.c.run_id == run_id, runs.c.status == "running", ~_undecided().exists())
            .values(status="finished", finished_at=iso(self._clock()))
        )
        await self._store.run(lambda conn: conn.execute(statement))

    async def close(self, mode: Mode) -> None:
        """Finish runs of files of which nothing is left to do, whoever did it, unless whoever
        started one has left it: the same command tells of that.
        """
        going_out = select(deliveries.c.row).where(
            deliveries.c.run_id == runs.c.run_id, unfinished()
        )
        asked = select(approvals.c.row).where(
            approvals.c.run_id == runs.c.run_id, approvals.c.state == "waiting"
        )
        statement = (
            update(runs)
            .where(
                runs.c.status == "running",
                runs.c.mode == mode.value,
                runs.c.total.is_not(None),
                runs.c.left_at.is_(None),
                ~of_people(),
                *(~rows.exists() for rows in (_undecided(), going_out, asked)),
            )
            .values(status="finished", finished_at=iso(self._clock()))
        )
        await self._store.run(lambda conn: conn.execute(statement))


def _undecided() -> Select[tuple[int]]:
    """Open rows of the run that a statement over runs looks at."""
    return select(run_items.c.row).where(
        run_items.c.run_id == runs.c.run_id, run_items.c.state.is_(None)
    )
