"""The leads, once through the swarm. Owns: that a round ends, and what became of each row.

A round that halts (bank, audit or store away) or leaves rows open is the same run resumed after
the fault is over, as an operator would do. Refuses to resume for ever: what is still open then
counts as lost.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select

from guardrails.errors import StoreUnavailable, SwarmError
from guardrails.store.brake_tables import quarantined_leads
from guardrails.store.tables import audit_index, enrichment_cache, paid_runs, run_items
from orchestrator.bootstrap import Swarm
from orchestrator.fleet.claims import Claimed
from orchestrator.fleet.free_rows import Pending
from orchestrator.intake import Progress
from orchestrator.shadow import Outcome, ShadowRun

log = structlog.get_logger(__name__)
_RESUMES = 25
_WAIT_S = 0.5
Hook = Callable[[int], None]


@dataclass(frozen=True)
class RowSeen:
    """How one row ended in one round."""

    row: int
    lead_id: str
    state: str | None
    reasons: tuple[dict[str, Any], ...]
    decisions: int  # audit records that decide about it; a second one would be a second decision


@dataclass
class Round:
    """One round, as it ended."""

    number: int
    run_id: str = ""
    rows: tuple[RowSeen, ...] = ()
    resumes: int = 0
    halts: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # errors that nobody foresaw
    crashed: dict[int, str] = field(default_factory=dict)
    vendor_writes: int = 0
    released: int = 0  # from quarantine, before it


async def _at_once() -> None:
    """Nothing is under way."""


class _Watched(ShadowRun):
    """A shadow run that says when a lead starts."""

    def __init__(self, swarm: Swarm, leads: Path, progress: Progress, on_start: Hook) -> None:
        super().__init__(swarm, leads, None, progress)
        self._on_start = on_start

    async def _prepare(self, claimed: Claimed[Pending]) -> None:
        self._on_start(claimed.what.row)
        await super()._prepare(claimed)


async def play(
    swarm: Swarm,
    leads: Path,
    number: int,
    *,
    on_start: Hook = lambda _row: None,
    settled: Callable[[], Awaitable[None]] = _at_once,
    progress: Progress = lambda *_: None,
) -> Round:
    """One round over all leads.

    Args:
        on_start: told the row when its lead starts for the first time in this round.
        settled: ends when no process fault is under way; a resume waits for it.
    """
    result = Round(number, released=await _a_day_passes(swarm))
    started: set[int] = set()

    def first_start(row: int) -> None:
        if row not in started:
            started.add(row)
            on_start(row)

    for attempt in range(_RESUMES + 1):
        outcome = await _once(
            swarm, leads, first_start, progress, fresh=attempt == 0, result=result
        )
        if outcome is not None:
            result.run_id = outcome.run.run_id
            result.vendor_writes = max(result.vendor_writes, outcome.vendor_writes)
            result.crashed = {row: failure.code for row, failure in outcome.crashed.items()}
            if outcome.halted is None and not outcome.crashed:
                break
        result.resumes += 1
        await asyncio.sleep(_WAIT_S)
        await settled()
    result.rows = await _rows(swarm, result.run_id)
    return result


async def _once(
    swarm: Swarm,
    leads: Path,
    on_start: Hook,
    progress: Progress,
    *,
    fresh: bool,
    result: Round,
) -> Outcome | None:
    try:
        outcome = await _Watched(swarm, leads, progress, on_start).execute(fresh=fresh)
    except Exception as error:  # noqa: BLE001 - the round's edge: what broke is told, not raised
        first = _first(error)
        expected = isinstance(first, SwarmError | OSError)
        name = getattr(first, "code", type(first).__name__)
        (result.halts if expected else result.broken).append(name)
        log.warning("round_interrupted", round=result.number, error=repr(first)[:300])
        return None
    if outcome.halted is not None:
        result.halts.append(outcome.halted.code)
    return outcome


def _first(error: BaseException) -> BaseException:
    found = error
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _a_day_passes(swarm: Swarm) -> int:
    """Forget what is kept for a day or more, so that vendors are asked again.

    Returns the number of leads released from quarantine.
    """

    def work(conn: Connection) -> int:
        conn.execute(delete(enrichment_cache))
        conn.execute(delete(paid_runs))
        return conn.execute(delete(quarantined_leads)).rowcount

    for _ in range(_RESUMES):
        try:
            return await swarm.store.run(work)
        except StoreUnavailable:
            await asyncio.sleep(_WAIT_S)
    return await swarm.store.run(work)


async def _rows(swarm: Swarm, run_id: str) -> tuple[RowSeen, ...]:
    def read(conn: Connection) -> tuple[RowSeen, ...]:
        here = select(audit_index.c.lead_id).where(audit_index.c.run_id == run_id)
        records = Counter(conn.execute(here).scalars())
        items = conn.execute(
            select(run_items).where(run_items.c.run_id == run_id).order_by(run_items.c.row)
        ).all()
        # A person who stands in two rows is recorded twice, once as a duplicate.
        rows_of = Counter(item.lead_id for item in items)
        return tuple(_row(item, records[item.lead_id] - rows_of[item.lead_id]) for item in items)

    return await swarm.store.query(read)


def _row(item: Any, too_many: int) -> RowSeen:
    result = json.loads(item.result) if item.result else {}
    return RowSeen(
        row=item.row,
        lead_id=item.lead_id,
        state=item.state,
        reasons=tuple(result.get("reasons", ())),
        decisions=1 + too_many if item.state is not None else max(0, too_many + 1),
    )
