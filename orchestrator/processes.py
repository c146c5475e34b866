"""How a server process comes into being. Owns: its environment, its pipes, its signals.

Either forked by the nursery or spawned; the session that talks to it cannot tell which.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Protocol

_INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TZ", "USER")


@dataclass(frozen=True)
class ServerSpec:
    """How one server process is started: its name and the variables that are its own (P8).

    Args:
        package: where it lives, when it is none of `servers/`.
    """

    name: str
    env: Mapping[str, str]
    package: str = ""

    @property
    def module(self) -> str:
        """What the nursery preloads; its `open_server` is the server."""
        return f"{self._package}.__main__"

    @property
    def command(self) -> tuple[str, ...]:
        """`python -P -m servers.<name>`: -P keeps the current directory off the import path."""
        return (sys.executable, "-P", "-m", self._package)

    @property
    def _package(self) -> str:
        return self.package or f"servers.{self.name}"


class Ear(Protocol):
    """Who hears what a process writes and that it is dead."""

    def on_data(self, data: bytes) -> None:
        """Bytes of its stdout."""

    def on_exit(self) -> None:
        """It is dead, whoever still holds its pipes."""


class Process(Protocol):
    """A running server process."""

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""

    @property
    def stdin(self) -> asyncio.WriteTransport:
        """Its stdin."""

    def send_signal(self, number: signal.Signals) -> None:
        """Signal its whole group. Nothing happens when none of it is left."""

    def close(self) -> None:
        """Close our ends of the pipes. May be repeated."""


def clean_environment(own: Mapping[str, str]) -> dict[str, str]:
    """A few harmless variables of this process and `own`, nothing else."""
    return {key: os.environ[key] for key in _INHERITED if key in os.environ} | dict(own)


class Spawned(asyncio.SubprocessProtocol):
    """A process of its own from the start."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(cls, spec: ServerSpec, ear: Ear, log: IO[bytes]) -> Spawned:
        """Spawn it in a session of its own, so that a Ctrl-C at the terminal does not reach it.

        Raises:
            OSError: it cannot be spawned.
        """
        _, spawned = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(ear),
            *spec.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=clean_environment(spec.env),
            start_new_session=True,
        )
        return spawned

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.SubprocessProtocol`."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        """See `asyncio.SubprocessProtocol`."""
        assert isinstance(data, bytes)
        self._ear.on_data(data)

    def process_exited(self) -> None:
        """See `asyncio.SubprocessProtocol`."""
        self._ear.on_exit()

    @property
    def pid(self) -> int:
        """See `Process`."""
        assert self._transport is not None
        return self._transport.get_pid()

    @property
    def stdin(self) -> asyncio.WriteTransport:
        """See `Process`."""
        assert self._transport is not None
        stdin = self._transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        return stdin

    def send_signal(self, number: signal.Signals) -> None:
        """See `Process`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def close(self) -> None:
        """See `Process`."""
        assert self._transport is not None
        self._transport.close()


class Forked:
    """A server that the nursery forked. Made by `Nursery.fork`."""

    def __init__(self, pid: int, pidfd: int, ear: Ear) -> None:
        self.pid = pid
        self._ear = ear
        self._pidfd: int | None = pidfd
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.ReadTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pidfd, self._died)

    async def connect(self, to_it: int, from_it: int) -> None:
        """Use our ends of its stdin and stdout."""
        with contextlib.ExitStack() as stack:  # whichever is not a transport's is closed
            write = stack.enter_context(os.fdopen(to_it, "wb", 0))
            read = stack.enter_context(os.fdopen(from_it, "rb", 0))
            self._stdin, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, write)
            self._stdout, _ = await self._loop.connect_read_pipe(lambda: _Output(self._ear), read)
            stack.pop_all()

    @property
    def stdin(self) -> asyncio.WriteTransport:
        """See `Process`."""
        assert self._stdin is not None
        return self._stdin

    def send_signal(self, number: signal.Signals) -> None:
        """See `Process`. One that has not come to be a group's leader yet is signalled alone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                if self._pidfd is not None:
                    signal.pidfd_send_signal(self._pidfd, number)

    def close(self) -> None:
        """See `Process`."""
        self._forget()
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.abort()
        if self._stdout is not None:
            self._stdout.close()

    def _died(self) -> None:
        self._forget()
        self._ear.on_exit()

    def _forget(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None


class _Output(asyncio.Protocol):
    """Its stdout."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._ear.on_data(data)
