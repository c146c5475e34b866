"""The queen's server processes, to be stopped, woken and killed from outside."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_PIPE = 65_536  # bytes that a pipe holds
_tee = ctypes.CDLL(None).tee


class Servers:
    """The queen's servers, as they are when they are asked for."""

    def __init__(self, queen: int) -> None:
        self._queen = queen
        self._stopped: list[psutil.Process] = []

    def of(self, name: str) -> Server:
        """The server of that name."""
        for child in psutil.Process(self._queen).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if f"servers.{name}" in child.cmdline():
                    return Server(child, self._stopped)
        raise AssertionError(f"{name} is not running")

    def busy_s(self) -> float:
        """CPU seconds of the queen and every process below her, so far."""
        queen, spent = psutil.Process(self._queen), 0.0
        for process in (queen, *queen.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                spent += times.user + times.system
        return spent

    def freeze(self) -> None:
        """SIGSTOP for the queen and every process below her."""
        queen = psutil.Process(self._queen)
        queen.suspend()
        self._stopped.append(queen)
        for child in queen.children(recursive=True):
            child.suspend()
            self._stopped.append(child)

    def wake(self) -> None:
        """Whoever is stopped goes on, if they are alive."""
        for process in self._stopped:
            with contextlib.suppress(psutil.Error):
                process.resume()


@dataclass(frozen=True)
class Server:
    """One process."""

    process: psutil.Process
    stopped: list[psutil.Process]

    def is_asked(self, what: bytes) -> bool:
        """Whether a call with these words lies unread in one of its pipes. It stays there."""
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(descriptor.readlink()).startswith("pipe:") and what in _unread(descriptor):
                    return True
        return False

    def suspend(self) -> None:
        """SIGSTOP."""
        self.process.suspend()
        self.stopped.append(self.process)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def kill(self) -> None:
        """SIGKILL, and wait until it is dead."""
        self.process.kill()
        with contextlib.suppress(psutil.Error):
            self.process.wait(10)


def _unread(pipe: Path) -> bytes:
    """What lies in it, without taking it out."""
    read, write = os.pipe()
    source = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        copied = _tee(source, write, _PIPE, os.SPLICE_F_NONBLOCK)
        return os.read(read, copied) if copied > 0 else b""
    finally:
        for descriptor in (read, write, source):
            os.close(descriptor)
