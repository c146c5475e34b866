"""Looking at everything once. Owns: reading database, kernel, disk, stop file and chain, each on
its own.

What cannot be read leaves a gap with its reason, and the rest is seen all the same. Looking takes
bounded time: a database or disk that does not answer is itself what was seen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from guardrails.audit.follow import ChainFollower
from guardrails.brakes.spend import SpendBook
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.errors import ConfigError, StoreUnavailable
from guardrails.heartbeats import Heartbeat, host_name, put
from guardrails.hive import Hive
from guardrails.kernel import process_state
from guardrails.store import Store
from orchestrator.health.chain import check_chain, check_others
from orchestrator.health.database import Database
from orchestrator.health.facts import Queue, Rates, WorkFacts
from orchestrator.health.memory import Memory
from orchestrator.health.model import Disk, Seen, Snapshot
from orchestrator.health.reading import chain_of, database_clock, read_facts

_MB = 1024 * 1024
_NOTHING_YET = WorkFacts(
    heartbeats=(), stop_row=(False, None, 0), inbox=Queue(), inbox_failed=0,
    visitors=Queue(), deliveries=Queue(), writes_unknown=Queue(), writes_open=Queue(),
    approvals_waiting=Queue(), approvals_overdue=Queue(), slack=Queue(), slack_failed=0,
    lessons=Queue(), vendors=(), breakers=(), keys=(), spend=(), rates=Rates(), pauses=(),
)  # fmt: skip


class Look:
    """Looks.

    Args:
        now: what time it really is; `clock` is the swarm's, ahead of it in the sandbox.
        beat: our own heartbeat's row; writing it is how writing is tried.
    """

    def __init__(
        self,
        hive: Hive,
        database: Database,
        config: Config,
        *,
        now: Clock,
        clock: Clock,
        beat: Callable[[], dict[str, Any]] | None,
    ) -> None:
        self._hive = hive
        self._database = database
        self._production = config.production
        self._now = now
        self._clock = clock
        self._beat = beat

    def take(self, memory: Memory) -> tuple[Snapshot, Memory]:
        """What there is to see now, and how far the chain was checked."""
        base = self._base()
        if not base.hive_there:
            return base.with_(why={"database": "the hive is gone"}), memory
        if self._database.never_was:
            return base.with_(work=_NOTHING_YET, audit_checked=True), memory
        try:
            store = self._database.store()
            work, skew = self._read(store)
        except StoreUnavailable as error:
            self._database.close()
            return base.with_(why={**base.why, "database": error.message}), memory
        seen = base.with_(
            work=work, write_error=self._try_writing(store), seen=seen_processes(work)
        )
        if skew is not None:
            seen = seen.with_(skew_s=skew, skew_of="the database")
        return self._with_chain(seen, store, memory)

    def unanswered(self, seconds: float) -> Snapshot:
        """What is known when looking itself does not come to an end."""
        return self._base(files=False).with_(why={"database": f"no answer within {seconds:.0f} s"})

    def _base(self, *, files: bool = True) -> Snapshot:
        there = not files or (self._hive.path.is_dir() and os.access(self._hive.path, os.R_OK))
        seen = Snapshot(now=self._now(), at=self._clock(), host=host_name(), hive_there=there)
        if not files or not there:
            return seen
        try:
            usage = shutil.disk_usage(self._hive.path)
        except OSError as error:
            return seen.with_(why={"disk": error.strerror or "unreadable"})
        return seen.with_(
            disk=Disk(usage.free // _MB, usage.total // _MB), stop_file=stop_file(self._hive)
        )

    def _read(self, store: Store) -> tuple[WorkFacts, float | None]:
        book = SpendBook(self._production.spend, self._clock)
        since = timedelta(seconds=self._production.monitor.key_refused_s)
        with store.read() as conn:
            before = self._now()
            theirs = database_clock(conn)
            day, chain = book.day_of(self._clock()), chain_of(self._hive)
            work = read_facts(conn, self._clock, day, since, chain)
        return work, (before - theirs).total_seconds() if theirs else None

    def _try_writing(self, store: Store) -> str | None:
        if self._beat is None:
            return None
        row = self._beat()
        try:
            with store.transaction() as conn:
                put(conn, row)
        except StoreUnavailable as error:
            return error.message
        return None

    def _with_chain(self, seen: Snapshot, store: Store, memory: Memory) -> tuple[Snapshot, Memory]:
        try:
            memory, problem = check_chain(
                ChainFollower(self._hive, store),
                memory,
                seen.now,
                timedelta(hours=self._production.monitor.audit_full_hours),
            )
            memory, elsewhere = check_others(store, self._hive.chain_id(), memory)
            problem = problem or elsewhere
        except (StoreUnavailable, ConfigError) as error:
            return seen.with_(why={**seen.why, "audit": error.message}), memory
        return seen.with_(audit_checked=True, audit_problem=problem), memory


def stop_file(hive: Hive) -> str | None:
    """Why the file stops the swarm; whatever has its name does."""
    try:
        hive.stop_file.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"the STOP file cannot be checked ({error.strerror})"
    try:
        with hive.stop_file.open(encoding="utf-8", errors="replace") as file:
            first = file.readline(200).strip()
    except OSError:
        first = ""
    return first or "the STOP file is present"


def seen_processes(work: WorkFacts) -> dict[int, Seen]:
    """The kernel's view of every process that is named here and is of this machine."""
    mine = [beat for beat in work.heartbeats if beat.host == host_name()]
    return {pid: _process(pid) for pid in _pids(mine)}


def _pids(beats: Iterable[Heartbeat]) -> set[int]:
    found: set[int] = set()
    for beat in beats:
        found.add(beat.pid)
        servers = beat.document.get("servers")
        for told in (servers if isinstance(servers, dict) else {}).values():
            if isinstance(told, dict) and isinstance(told.get("pid"), int):
                found.add(told["pid"])
    return found


def _process(pid: int) -> Seen:
    state = process_state(pid)
    return Seen(*state) if state else Seen(None)
