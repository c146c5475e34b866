"""The queen's side of the memory. Owns: its process, and that it costs no lead anything.

Started beside her servers and restarted as they are; whether it starts, hangs or dies concerns no
lead. A look-up has a short time limit of its own, and after some that went unanswered nobody is
asked for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from guardrails.errors import Failure, ServerUnavailable, SwarmError
from guardrails.model import Lead, Recollection
from orchestrator.children import Child
from orchestrator.memory.contract import LOOK_UP_HISTORY, LookUpHistory
from orchestrator.nursery import Nursery
from orchestrator.processes import ServerSpec

log = structlog.get_logger(__name__)
PACKAGE = "orchestrator.memory"
DEADLINE_S = 1.5
_PATIENCE = 3  # unanswered look-ups in a row
_PAUSE_S = 10.0
_PING_S = 2.0
_CALL_S = 10.0


class Aide:
    """The memory's process, as an async context manager that never fails."""

    def __init__(
        self,
        spec: ServerSpec,
        logs_dir: Path,
        nursery: Nursery | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._child = Child(spec, logs_dir, _Nobody(), nursery)
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._unanswered = 0
        self._asked_again_at = 0.0
        self._opening = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Aide:
        self._spawn(self._opened())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._child.close()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid

    @property
    def restarts(self) -> int:
        """How often it was restarted."""
        return max(self._child.restarts, 0)

    async def ready(self, within_s: float) -> bool:
        """Wait until it has started, so long at most. Whether it has."""
        try:
            async with asyncio.timeout(within_s):
                await self._opening.wait()
        except TimeoutError:
            return False
        return self.pid is not None

    async def recall(self, lead: Lead) -> Recollection:
        """What it knows of them, or why it is silent; within the deadline. Never raises."""
        if self.pid is None:
            return Recollection(answered=False, why="its process is not running")
        if self._monotonic() < self._asked_again_at:
            return Recollection(answered=False, why="it has not answered for a while")
        asked = LookUpHistory(lead_id=lead.lead_id, email=lead.email, domain=lead.domain)
        try:
            async with asyncio.timeout(self._deadline_s):
                found = await self._child.call(LOOK_UP_HISTORY, asked, _CALL_S)
        except TimeoutError:
            return self._silent(f"no answer within {self._deadline_s:g} s")
        except SwarmError as error:
            return self._silent(error.message)
        if not found.recollection.answered:
            return self._silent(found.recollection.why or "it is away")
        self._unanswered = 0
        return found.recollection

    def _silent(self, why: str) -> Recollection:
        self._unanswered += 1
        if self._unanswered >= _PATIENCE:
            self._unanswered = 0
            self._asked_again_at = self._monotonic() + _PAUSE_S
            self._spawn(self._look_after())
        return Recollection(answered=False, why=why)

    async def _look_after(self) -> None:
        """One that hangs is killed, so that it restarts."""
        with contextlib.suppress(ServerUnavailable):
            await self._child.ping(_PING_S)

    async def _opened(self) -> None:
        try:
            await self._child.open()
        except ServerUnavailable as error:
            log.warning("memory_not_started", why=error.message)  # its owner goes on trying
        self._opening.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="memory")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Nobody:
    """Its misfortunes are no lead's: they stand in the log."""

    async def failed(self, server: str, tool: str, failure: Failure) -> None:
        """See `Watcher`."""
        log.info("memory_call_failed", tool=tool, code=failure.code)

    async def lost(self, server: str, tool: str, why: str, *, hung: bool) -> None:
        """See `Watcher`."""
        log.warning("memory_lost", tool=tool, why=why[:200], hung=hung)

    def served(self, server: str) -> None:
        """See `Watcher`."""
