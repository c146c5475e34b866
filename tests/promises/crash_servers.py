"""The queen's server processes, to be stopped, woken and killed from outside."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil


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
