"""Looking at the swarm about once a second. Owns: samples, counts so far, and the snapshot.

Reads the store, the children and the kernel; changes nothing. A moment that cannot be read (the
database is locked, say) is left out, never guessed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from guardrails.clock import iso, utc_now
from guardrails.errors import StoreUnavailable
from orchestrator.bootstrap import Swarm
from orchestrator.campaign import counts, proc
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.record import Sample
from orchestrator.campaign.snapshot import Event, Phase, Snapshot

log = structlog.get_logger(__name__)
Show = Callable[[Snapshot], None]
_EVERY_S = 1.0
_EVENTS_KEPT = 50


@dataclass(frozen=True)
class _Read:
    """One reading of the store."""

    run: str | None
    total: int
    current: counts.RunFigures
    failures: int
    spend: int
    changes: list[counts.Change]


@dataclass
class Watch:
    """Everything seen so far, over all swarms of one campaign."""

    plan: Plan
    campaign_id: str
    cap_micros: int
    show: Show
    phase: Phase = "starting"
    round: int = 0
    note: str = ""
    began: datetime = field(default_factory=utc_now)  # of the faults, once they have begun
    samples: list[Sample] = field(default_factory=list)
    process_faults: Counter[str] = field(default_factory=Counter)
    changes: dict[str, counts.Change] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)  # of swarms that have ended
    pids: set[int] = field(default_factory=set)  # every process of ours that was ever seen
    round_memory: list[tuple[int, float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._finished = counts.RunFigures()  # runs that have ended since the faults began
        self._counted: set[str] = set()
        self._last: _Read | None = None
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self._own_children = proc.descendants(os.getpid())

    @property
    def t(self) -> float:
        """Seconds since the faults began; 0 before."""
        if self.phase in ("starting", "baseline"):
            return 0.0
        return max(0.0, (utc_now() - self.began).total_seconds())

    def begin_faults(self) -> None:
        """From now on time counts."""
        self.began = utc_now()
        self.phase = "faults"

    def tell(self, text: str) -> None:
        """Something a person who looks on wants to know."""
        self._events.append(Event(round(self.t, 1), text))

    @contextlib.asynccontextmanager
    async def over(self, swarm: Swarm) -> AsyncIterator[None]:
        """Look at this swarm until the block ends."""
        task = asyncio.create_task(self._loop(swarm), name="campaign-watch")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.restarts.update(swarm.children.restarts())

    async def round_over(self, swarm: Swarm, run_id: str) -> None:
        """A round of the faults has ended: its counts are final."""
        if run_id and run_id not in self._counted:
            with contextlib.suppress(StoreUnavailable):
                ended = await swarm.store.query(lambda c: counts.run_figures(c, run_id))
                self._add(ended)
                self._counted.add(run_id)
        memory, files, _ = await asyncio.to_thread(_kernel, self._pids_of(swarm))
        self.round_memory.append((self.round, memory, files))

    def _add(self, run: counts.RunFigures) -> None:
        self._finished.faults.update(run.faults)
        self._finished.calls += run.calls
        self._finished.retries += run.retries
        self._finished.done += run.done

    async def _loop(self, swarm: Swarm) -> None:
        while True:
            try:
                await self._look(swarm)
            except StoreUnavailable:
                log.info("sample_left_out")
            self.show(self.snapshot(swarm))
            await asyncio.sleep(_EVERY_S)

    async def _look(self, swarm: Swarm) -> None:
        since = max((c.at for c in self.changes.values()), default=self.began - timedelta(hours=1))
        began = iso(self.began)

        def read(conn: Connection) -> _Read:
            run = counts.running(conn)
            known = run is not None and run[0] not in self._counted
            return _Read(
                run=run[0] if run else None,
                total=(run[1] or 0) if run else 0,
                current=counts.run_figures(conn, run[0]) if run and known else counts.RunFigures(),
                failures=counts.failures_since(conn, began),
                spend=counts.held_micros(conn),
                changes=counts.breaker_changes(conn, since),
            )

        self._last = await swarm.store.query(read)
        for change in self._last.changes:
            if change.event_id not in self.changes:
                self.changes[change.event_id] = change
                named = f"{change.vendor} {change.operation_class} {change.state}"
                self.tell(f"breaker {named}: {change.reason}")
        if self.phase in ("faults", "recovery"):
            memory, files, processes = await asyncio.to_thread(_kernel, self._pids_of(swarm))
            self.samples.append(self._sample(swarm, self._last, memory, files, processes))
        self.pids |= proc.descendants(os.getpid()) - self._own_children

    def _pids_of(self, swarm: Swarm) -> list[int]:
        return [os.getpid(), *(pid for pid in swarm.children.pids().values() if pid is not None)]

    def _sample(
        self, swarm: Swarm, read: _Read, memory: float, files: int, processes: int
    ) -> Sample:
        return Sample(
            t=round(self.t, 2),
            leads_done=self._finished.done + read.current.done,
            faults=sum(self.faults().values()),
            retries=self._finished.retries + read.current.retries,
            failures=read.failures,
            spend_micros=read.spend,
            restarts=sum((self.restarts + Counter(swarm.children.restarts())).values()),
            memory_mb=round(memory, 1),
            open_files=files,
            processes=processes,
        )

    def faults(self) -> Counter[str]:
        """Faults so far by kind, those under way included."""
        total = self._finished.faults + self.process_faults
        return total + self._last.current.faults if self._last else total

    def snapshot(self, swarm: Swarm | None = None) -> Snapshot:
        """What to show now."""
        last = self._last
        now = utc_now()
        changes = list(self.changes.values())
        restarts = self.restarts + Counter(swarm.children.restarts() if swarm else {})
        return Snapshot(
            phase=self.phase,
            campaign_id=self.campaign_id,
            kind=self.plan.kind,
            elapsed_s=round(time.monotonic() - self._started, 1),
            t=round(self.t, 1),
            planned_s=self.plan.seconds if self.plan.kind == "random" else 0.0,
            round=self.round,
            leads_done=last.current.done if last else 0,
            leads_total=last.total if last else 0,
            faults_by_kind=dict(self.faults()),
            breakers={f"{c.vendor} {c.operation_class}": c.state for c in changes},
            spans=tuple(counts.spans(changes, self.began, now)),
            samples=tuple(self.samples),
            retries=self.samples[-1].retries if self.samples else 0,
            failures=last.failures if last else 0,
            spend_micros=last.spend if last else 0,
            cap_micros=self.cap_micros,
            restarts=dict(restarts),
            events=tuple(self._events),
            note=self.note,
        )


def _kernel(pids: list[int]) -> tuple[float, int, int]:
    """Memory in MB, open files and number of these processes."""
    memory = [size for pid in pids if (size := proc.memory_mb(pid)) is not None]
    files = [number for pid in pids if (number := proc.open_files(pid)) is not None]
    return sum(memory), sum(files), len(files)
