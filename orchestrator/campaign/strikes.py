"""Doing process faults. Owns: that each is done for real, is bounded, and is always undone.

One at a time: a locked database during a full disk proves nothing about either. What is struck
belongs to the campaign's own hive. Refuses to leave: a file limit, a lock, a stopped process or a
torn bank is undone on the way out, whatever happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import structlog
from sqlalchemy import text

from guardrails.store.engine import postgres_engine
from guardrails.store.tables import metadata
from orchestrator.bootstrap import Swarm
from orchestrator.campaign.monkey import Strike
from orchestrator.campaign.proc import descendants

log = structlog.get_logger(__name__)
_SERVER_BACK_S = 60.0
_LOCK_WAIT_S = 30.0


class Strikes:
    """Process faults against one running swarm.

    Args:
        hang_s: how long a hung server is left to be noticed before it is woken again.
    """

    def __init__(self, swarm: Swarm, database_url: str | None, hang_s: float) -> None:
        self._swarm = swarm
        self._database_url = database_url
        self._hang_s = hang_s
        self._one = asyncio.Lock()
        self._closing = False
        self._whole = asyncio.Event()  # database, disk and bank can be used
        self._whole.set()

    async def do(self, strike: Strike) -> float | None:
        """Do one fault and undo it.

        Returns:
            Its first moment (`time.monotonic()`); None when the campaign ended before its turn.
        """
        async with self._one:
            if self._closing:
                return None
            began = time.monotonic()
            if strike.server is not None:
                await self._server(strike.server, hang=strike.fault == "server_hung")
                return began
            self._whole.clear()
            try:
                async with self._broken(strike):
                    await asyncio.sleep(strike.seconds)
            finally:
                self._whole.set()
            return began

    async def settled(self) -> None:
        """Ends when database, disk and bank can be used, for a moment at least."""
        await self._whole.wait()

    def finish(self) -> None:
        """Do nothing more; what hangs is woken."""
        self._closing = True

    def _broken(self, strike: Strike) -> contextlib.AbstractAsyncContextManager[None]:
        if strike.fault == "database_locked":
            return database_locked(self._swarm.hive.database_file, self._database_url)
        if strike.fault == "disk_full":
            return disk_full(lambda: {os.getpid(), *self._struck_pids()})
        return torn_bank(self._swarm.hive.bank_file)

    async def _server(self, name: str, *, hang: bool) -> None:
        pid = await self._running(name)
        if pid is None:
            return
        try:
            os.kill(pid, signal.SIGSTOP if hang else signal.SIGKILL)
            deadline = time.monotonic() + (self._hang_s if hang else _SERVER_BACK_S)
            # The queen has noticed when another process stands in its place.
            while self._swarm.children.pids()[name] in (pid, None):
                if time.monotonic() >= deadline or (hang and self._closing):
                    break
                await asyncio.sleep(0.05)
        except ProcessLookupError:
            return
        finally:
            if hang and self._swarm.children.pids()[name] == pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    async def _running(self, name: str) -> int | None:
        deadline = time.monotonic() + _SERVER_BACK_S
        while (pid := self._swarm.children.pids()[name]) is None:
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(0.05)
        return pid

    def _struck_pids(self) -> set[int]:
        children = self._swarm.children
        pids = (*children.pids().values(), children.nursery_pid)  # what it forks has its limits
        return {pid for pid in pids if pid is not None}


@contextlib.asynccontextmanager
async def database_locked(file: Path, url: str | None) -> AsyncIterator[None]:
    """Somebody else holds the database's write lock."""
    if url is not None:
        engine = postgres_engine(url)
        tables = ", ".join(f'"{name}"' for name in metadata.tables)
        try:
            with engine.connect() as conn:
                statement = text(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
                await asyncio.to_thread(conn.execute, statement)
                yield
                conn.rollback()
        finally:
            engine.dispose()
        return
    held = await asyncio.to_thread(_begin_immediate, file)
    try:
        yield
    finally:
        held.rollback()
        held.close()


def _begin_immediate(file: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(
        file, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False
    )
    try:
        conn.execute("BEGIN IMMEDIATE")
    except BaseException:
        conn.close()
        raise
    return conn


@contextlib.asynccontextmanager
async def disk_full(pids: Callable[[], Iterable[int]]) -> AsyncIterator[None]:
    """Every write to a file fails in the kernel, in these processes and in those they start."""
    limits = {pid: _file_limit(pid) for pid in pids()}
    own = limits.get(os.getpid()) or resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for pid, limit in limits.items():
            if limit is not None:
                _set_file_limit(pid, (0, limit[1]))
        yield
    finally:
        # This process first: what it starts from now on is free again.
        _set_file_limit(os.getpid(), own)
        for pid in {*limits, *pids(), *descendants(os.getpid())}:
            _set_file_limit(pid, limits.get(pid) or own)


def _file_limit(pid: int) -> tuple[int, int] | None:
    try:
        return resource.prlimit(pid, resource.RLIMIT_FSIZE)
    except (ProcessLookupError, PermissionError):
        return None


def _set_file_limit(pid: int, limit: tuple[int, int]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


@contextlib.asynccontextmanager
async def torn_bank(file: Path) -> AsyncIterator[None]:
    """Half of the bank is gone, as after a copy that broke off."""
    whole = file.read_bytes()
    torn = whole[: len(whole) // 2]
    os.truncate(file, len(torn))
    try:
        yield
    finally:
        if file.read_bytes() == torn:  # nobody wrote another one meanwhile
            _replace(file, whole)


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.restored")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
    draft.replace(file)
