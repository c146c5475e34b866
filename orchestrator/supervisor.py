"""`swarm up`: queen and gateway together. Owns: their start, their restarts and their end.

Each is a process of its own that also starts alone. One that dies is started again, ever more
slowly while it keeps dying; one that cannot work with its configuration is not, and takes the
other down with it, so that nobody believes in half a swarm. Neither outlives the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guardrails.errors import ServerUnavailable

_BACKOFF_S = (0.0, 1.0, 3.0, 10.0, 30.0)
_STEADY_S = 60.0  # after so long a death is a new misfortune, not the same one
_GRACE_S = 30.0
_PR_SET_PDEATHSIG = 1
_NOT_AGAIN = frozenset({2, 3})  # usage or configuration; refused
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Member:
    """One process. `env` is its whole environment."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]


class Supervisor:
    """Runs members until a signal, or until one cannot work at all."""

    def __init__(
        self,
        members: Sequence[Member],
        tell: Tell,
        *,
        backoff_s: Sequence[float] = _BACKOFF_S,
        grace_s: float = _GRACE_S,
    ) -> None:
        self._members = members
        self._tell = tell
        self._backoff_s = backoff_s
        self._grace_s = grace_s
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Ask everybody to end in order."""
        self._ended.set()

    async def run(self) -> int:
        """Until a signal: 0; 2 when a member's configuration does not let it work."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        try:
            codes = await asyncio.gather(*(self._keep(member) for member in self._members))
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        return max(codes)

    async def _keep(self, member: Member) -> int:
        deaths = 0
        while not self._ended.is_set():
            await self._pause(self._backoff_s[min(deaths, len(self._backoff_s) - 1)])
            if self._ended.is_set():
                break
            started = time.monotonic()
            code = await self._live(member)
            if self._ended.is_set():
                break
            if code in _NOT_AGAIN:
                self._tell(f"{member.name} cannot work (exit {code}): everything ends")
                self.end()
                return code
            deaths = 1 if time.monotonic() - started >= _STEADY_S else deaths + 1
            self._tell(f"{member.name} died (exit {code}): it is started again")
        return 0

    async def _live(self, member: Member) -> int:
        try:
            process = await asyncio.create_subprocess_exec(
                *member.command,
                env=dict(member.env),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise ServerUnavailable(f"{member.name} cannot be started: {error}") from error
        self._tell(f"{member.name} started, pid {process.pid}")
        ended = asyncio.create_task(self._ended.wait())
        died = asyncio.create_task(process.wait())
        await asyncio.wait({ended, died}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not died.done():
            await self._finish(member, process, died)
        return await died

    async def _finish(
        self, member: Member, process: asyncio.subprocess.Process, died: asyncio.Task[int]
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        done, _ = await asyncio.wait({died}, timeout=self._grace_s)
        if not done:
            self._tell(f"{member.name} does not end: it is killed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)


def die_with_parent() -> None:
    """In the child: SIGTERM when the supervisor is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
