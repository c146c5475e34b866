"""The queen's servers. Owns: starting all of them, restarting a dead or hung one, safe retries.

One owner task per child holds its session; everyone else only calls. A call on a dead server
waits, bounded, for its restart and is tried again only when the tool's contract says that this
is safe (read-only or idempotent).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel

from guardrails.errors import ServerUnavailable
from orchestrator.incidents import Watcher
from orchestrator.mcp_session import Session, ToolFailed
from orchestrator.nursery import Nursery
from orchestrator.processes import ServerSpec
from servers.common.contract import ToolSpec

log = structlog.get_logger(__name__)
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)
_START_TIMEOUT_S = 60.0
_BACKOFF_S = (0.0, 0.2, 1.0, 3.0, 10.0)
_ATTEMPTS = 4
_LOG_LIMIT = 5_000_000


class Child:
    """One supervised server."""

    def __init__(
        self, spec: ServerSpec, logs_dir: Path, watcher: Watcher, nursery: Nursery | None = None
    ) -> None:
        self.spec = spec
        self._watcher = watcher
        self._nursery = nursery
        self.restarts = -1
        self._log_file = logs_dir / f"{spec.name}.log"
        self._session: Session | None = None
        self._changed = asyncio.Condition()
        self._closing = False
        self._owner: asyncio.Task[None] | None = None
        self._last_error: ServerUnavailable | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._session.pid if self._session else None

    async def open(self) -> None:
        """Start the owner task and wait until the server is ready.

        Raises:
            ServerUnavailable: it did not start; the message ends with its last words.
        """
        self._owner = asyncio.create_task(self._own(), name=f"server-{self.spec.name}")
        async with self._changed:
            await self._changed.wait_for(lambda: self._session or self._last_error)
        if self._session is None and self._last_error is not None:
            raise self._last_error

    async def call(self, spec: ToolSpec[A, R], args: A, timeout_s: float) -> R:
        """Call a tool; after a crash, again on the restarted server when that is safe.

        Raises:
            ToolFailed: the tool's own answer.
            ServerUnavailable: dead, hung or restarting for too long.
            LeadQuarantined: this lead takes the server down again and again.
        """
        attempts = _ATTEMPTS if spec.read_only or spec.idempotent else 1
        for attempt in range(1, attempts + 1):
            session = await self._ready(timeout_s)
            try:
                result = await session.call(spec, args, timeout_s)
            except ToolFailed as error:
                await self._watcher.failed(self.spec.name, spec.name, error.failure)
                raise
            except ServerUnavailable as error:
                log.warning("server_call_failed", server=self.spec.name, error=error.message)
                hung = not session.exited.is_set()
                if hung:
                    await session.kill()  # a restarted one answers
                await self._watcher.lost(self.spec.name, spec.name, error.message, hung=hung)
                if attempt == attempts:
                    raise
            else:
                self._watcher.served(self.spec.name)
                return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def ping(self, timeout_s: float) -> None:
        """Ask it for a real answer; kill it when none comes, so that it restarts.

        Raises:
            ServerUnavailable: it is dead, restarting or hung.
        """
        session = self._session
        if session is None:
            raise ServerUnavailable(f"{self.spec.name} is not running")
        try:
            await session.ping(timeout_s)
        except ServerUnavailable as error:
            if not session.exited.is_set():
                log.warning("server_hung", server=self.spec.name, error=error.message)
                await session.kill()
                await self._watcher.lost(self.spec.name, "tools/list", error.message, hung=True)
            raise

    async def close(self) -> None:
        """End the server and its owner task."""
        self._closing = True
        session = self._session
        if session is not None:
            await session.close()
        if self._owner is not None:
            # Cancelled only while it sleeps between restarts or waits for an exit: it owns no
            # protocol state that a cancellation could tear.
            self._owner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._owner

    async def _ready(self, timeout_s: float) -> Session:
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(
                    lambda: self._session is not None and not self._session.exited.is_set()
                )
        except TimeoutError as error:
            raise ServerUnavailable(
                f"{self.spec.name} is not running and did not come back within {timeout_s:g} s"
            ) from (self._last_error or error)
        assert self._session is not None
        return self._session

    async def _own(self) -> None:
        failures = 0
        while not self._closing:
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            try:
                session = await self._start()
            except ServerUnavailable as error:
                failures += 1
                await self._announce(None, error)
                continue
            failures = 0
            self.restarts += 1
            await self._announce(session, None)
            await session.exited.wait()
            await self._announce(None, None)
            await session.close(grace_s=0.0)
            if not self._closing:
                log.warning("server_died", server=self.spec.name, restarts=self.restarts + 1)

    async def _start(self) -> Session:
        _rotate(self._log_file)
        try:
            if self._nursery is not None:
                # Whatever a fork may have broken in it, a spawned one is whole.
                with contextlib.suppress(ServerUnavailable):
                    return await self._started(self._nursery)
            return await self._started(None)
        except ServerUnavailable as error:
            raise ServerUnavailable(
                f"{error.message}; its last words: {_tail(self._log_file)}"
            ) from error

    async def _started(self, nursery: Nursery | None) -> Session:
        return await Session.start(
            self.spec, log_file=self._log_file, timeout_s=_START_TIMEOUT_S, nursery=nursery
        )

    async def _announce(self, session: Session | None, error: ServerUnavailable | None) -> None:
        async with self._changed:
            self._session = session
            self._last_error = error
            self._changed.notify_all()


class Children:
    """All servers of a queen, by name."""

    def __init__(
        self,
        specs: Sequence[ServerSpec],
        logs_dir: Path,
        call_timeout_s: float,
        watcher: Watcher,
        nursery: Nursery | None = None,
    ) -> None:
        self._children = {spec.name: Child(spec, logs_dir, watcher, nursery) for spec in specs}
        self._call_timeout_s = call_timeout_s
        self._nursery = nursery
        self.calls = 0

    async def __aenter__(self) -> Children:
        """Start all servers side by side; if one cannot start, none stays behind."""
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children.values():
                    group.create_task(child.open())
        except BaseExceptionGroup as errors:
            await self._close()
            raise errors.exceptions[0] from errors
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._close()

    async def call(self, server: str, spec: ToolSpec[A, R], args: A) -> R:
        """Call a tool of a server (see `Child.call`). `calls` counts them."""
        self.calls += 1
        return await self._children[server].call(spec, args, self._call_timeout_s)

    async def ping(self, server: str, timeout_s: float) -> None:
        """Whether a server answers (see `Child.ping`)."""
        await self._children[server].ping(timeout_s)

    def pids(self) -> dict[str, int | None]:
        """Process id of each server, None while it restarts."""
        return {name: child.pid for name, child in self._children.items()}

    @property
    def nursery_pid(self) -> int | None:
        """Process id of the nursery that forks them, if one does."""
        return self._nursery.pid if self._nursery else None

    def restarts(self) -> dict[str, int]:
        """How often each server was restarted."""
        return {name: max(child.restarts, 0) for name, child in self._children.items()}

    async def _close(self) -> None:
        await asyncio.gather(*(child.close() for child in self._children.values()))


def _rotate(log_file: Path) -> None:
    """Keep one old log when the present one has grown past its limit."""
    if log_file.exists() and log_file.stat().st_size > _LOG_LIMIT:
        log_file.replace(log_file.with_suffix(".log.1"))


def _tail(log_file: Path, size: int = 800) -> str:
    try:
        data = log_file.read_bytes()[-size:]
    except OSError:
        return "(no log)"
    return " ".join(data.decode("utf-8", "replace").split()) or "(none)"
