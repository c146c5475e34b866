"""The queen's side of the nursery. Owns: its process, asking it for a server, that server's death.

One process imports what all servers need and forks them on request (`servers/common/nursery.py`,
docs/adr/0013). It gets harmless variables only; a server's own go down its stdin after the fork.
A forked server is not our child: a pidfd tells of its death. Whatever goes wrong here is
`NotForked`, in bounded time, and the queen spawns that server instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import orjson
import structlog

from orchestrator.begun import Begun, begin, can_begin
from orchestrator.processes import Ear, Forked, ServerSpec, clean_environment

log = structlog.get_logger(__name__)
_FIRST_ANSWER_S = 30.0  # it imports before it answers
_PATIENCE_S = 5.0
_MESSAGE = 1024


class NotForked(Exception):
    """The nursery does not serve; spawn the server."""


class _Dead(Exception):
    """The nursery's end of the socket is closed, or what speaks there is no nursery."""


class Nursery:
    """The nursery of one queen: an async context manager. It starts at once and imports meanwhile.

    Args:
        modules: what it preloads; it forks nothing else.
        env: variables of its own, not secret; its servers show them in `/proc`.
        patience_s: how long a nursery that has served before may take to answer.
        begun: its process, where that imports already.
    """

    def __init__(
        self,
        modules: Sequence[str],
        log_file: Path,
        env: Mapping[str, str],
        patience_s: float = _PATIENCE_S,
        begun: Begun | None = None,
    ) -> None:
        self._modules = modules
        self._log_file = log_file
        self._env = dict(env)
        self._patience_s = patience_s
        self._offered = begun
        self._begun: Begun | None = None
        self._one = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._served = False  # by the process that runs now
        self._given_up = not can_begin()

    async def __aenter__(self) -> Nursery:
        """Start it, without waiting until it can be used."""
        if not self._given_up:
            with contextlib.suppress(NotForked):
                self._start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """End it, and with it any server that it forked and that still runs."""
        await self._end()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._begun.process.pid if self._begun else None

    async def fork(self, spec: ServerSpec, ear: Ear, log_to: IO[bytes]) -> Forked:
        """Fork that server.

        Raises:
            NotForked: it was not, and will not be; or it dies at once.
        """
        to_it, from_it = os.pipe(), os.pipe()
        try:
            async with self._one:
                pid, pidfd = await self._asked(spec.module, (to_it[0], from_it[1], log_to.fileno()))
        except BaseException:
            os.close(to_it[1])
            os.close(from_it[0])
            raise
        finally:
            os.close(to_it[0])
            os.close(from_it[1])
        forked = Forked(pid, pidfd, ear)
        try:
            await forked.connect(to_it[1], from_it[0])
        except BaseException:
            forked.close()  # it ends when it finds no environment
            raise
        environment = orjson.dumps(clean_environment(spec.env))
        forked.stdin.write(struct.pack("!I", len(environment)) + environment)
        return forked

    async def _asked(self, module: str, fds: Sequence[int]) -> tuple[int, int]:
        """Pid and pidfd of a new server. A nursery that has served and died is started again."""
        for _ in range(2):
            if self._given_up:
                break
            try:
                return await self._ask(self._begun or self._start(), module, fds)
            except TimeoutError:
                # Stopped, or lost: it is left alone, because its servers die with it.
                self._give_up("it does not answer")
            except _Dead:
                served = self._served
                await self._end()
                if not served:
                    self._give_up("it cannot start; see nursery.log")
        raise NotForked

    def _give_up(self, why: str) -> None:
        self._given_up = True
        log.warning("nursery_given_up", why=why)

    def _start(self) -> Begun:
        """Raises NotForked: there is none, and will be none."""
        begun, self._offered = self._offered, None
        self._served = False
        try:
            self._begun = begun = begun or begin(self._env)
            with self._log_file.open("ab") as log_to:
                modules = " ".join(self._modules).encode()
                socket.send_fds(begun.wire, [modules], [log_to.fileno()])
        except OSError as error:
            self._give_up(str(error))
            raise NotForked from error
        return begun

    async def _ask(self, begun: Begun, module: str, fds: Sequence[int]) -> tuple[int, int]:
        number = next(self._numbers)
        try:
            socket.send_fds(begun.wire, [f"{number} {module}".encode()], list(fds))
            async with asyncio.timeout(self._patience_s if self._served else _FIRST_ANSWER_S):
                while True:  # an answer to somebody who no longer waits is passed over
                    answered, pid, why, pidfd = await self._answer(begun.wire)
                    if answered == number:
                        break
                    if pidfd is not None:
                        os.close(pidfd)
        except TimeoutError:
            raise
        except BlockingIOError as error:
            raise TimeoutError from error  # nobody has read for long
        except (OSError, ValueError) as error:
            raise _Dead from error
        if pidfd is None:
            log.warning("nursery_refused", server=module, why=why)
            raise NotForked
        self._served = True
        return pid, pidfd

    @staticmethod
    async def _answer(wire: socket.socket) -> tuple[int, int, str, int | None]:
        """The next answer: its number, the pid, the reason if there is none, the pidfd."""
        await _readable(wire)
        data, fds, _, _ = socket.recv_fds(wire, _MESSAGE, 1)
        if not data:
            raise _Dead
        number, pid, *why = data.decode("utf-8", "replace").split(" ", 2)
        return int(number), int(pid), " ".join(why), fds[0] if fds else None

    async def _end(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            await begun.end()


async def _readable(wire: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(wire, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(wire)
