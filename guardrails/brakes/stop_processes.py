"""The swarm's processes on this machine, as the kernel shows them. Owns: finding and ending them.

For the emergency stop: which hives are at work here, which processes hold vendors' keys, which of
them stand still (SIGSTOP, a debugger). One that stands still between its last look at the stop and
its first byte would send when it is woken, hours later: it is ended where it stands. Needs the
standard library and Linux's /proc; elsewhere it says that it cannot see. Refuses to touch
processes of another user or another hive.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITING = frozenset({"ghl", "instantly"})  # they hold a key that writes
_PROC = Path("/proc")
_SERVER = re.compile(rb"servers\.(hunter|enricher|crafter|guardrails|ghl|instantly)\Z")
_HIVE = b"HIVE_MIND_DIR="
_STATE, _STARTED = 0, 19  # in /proc/<pid>/stat, counted from the state
_STANDING = frozenset("Tt")  # stopped by a signal, or by a debugger


@dataclass(frozen=True)
class Running:
    """One server process.

    Args:
        started: seconds since 1970.
        frozen: it stands still.
    """

    pid: int
    server: str
    hive: Path
    started: float
    frozen: bool

    @property
    def writes(self) -> bool:
        """Whether it holds a key that writes."""
        return self.server in WRITING


def can_see() -> bool:
    """Whether processes can be looked at here."""
    return sys.platform.startswith("linux") and (_PROC / "self" / "stat").exists()


def servers(hive: Path | None = None) -> list[Running]:
    """The server processes of this hive, or of all; only those of this user."""
    wanted = None if hive is None else hive.resolve()
    found = [one for pid in _pids() if (one := _server(pid)) is not None]
    return [one for one in found if wanted in (None, one.hive)]


def real_hives() -> list[Path]:
    """Hives in which servers run here; the sandbox's are left out, they reach nobody."""
    hives = sorted({one.hive for one in servers()})
    return [hive for hive in hives if not is_sandbox(hive)]


def is_sandbox(hive: Path) -> bool:
    """Whether its marker says so."""
    try:
        return b'"sandbox": true' in (hive / "hive.json").read_bytes()
    except OSError:
        return False


def queens(hive: Path) -> list[int]:
    """Who holds this hive's queen.lock: their servers die with them."""
    return opened_by(hive / "queen.lock")


def opened_by(file: Path) -> list[int]:
    """Processes of this user that have this file open."""
    return [pid for pid in _pids() if _has_open(pid, file)]


def frozen_at(file: Path) -> list[int]:
    """Processes that stand still and have this file open: they may hold its lock for ever."""
    return [pid for pid in _pids() if _STANDING & {*_stat(pid)[:1]} and _has_open(pid, file)]


def end(pid: int, wait_s: float = 2.0) -> bool:
    """Kill it where it stands: not one more instruction of it runs. True when it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        state = _stat(pid)
        if not state or state[_STATE] in {"Z", "X"}:
            return True
        time.sleep(0.01)
    return False


def _pids() -> Iterator[int]:
    if not can_see():
        return
    mine = os.getuid()
    for name in os.listdir(_PROC):  # noqa: PTH208 - closed at once, whoever leaves the loop early
        try:
            if name.isdigit() and (_PROC / name).stat().st_uid == mine:
                yield int(name)
        except OSError:
            continue  # it has just ended


def _server(pid: int) -> Running | None:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        named = [match[1] for word in words if (match := _SERVER.match(word)) is not None]
        if not named:
            return None
        given = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        hives = [value[len(_HIVE) :] for value in given if value.startswith(_HIVE)]
        at = Path((_PROC / str(pid) / "cwd").readlink(), os.fsdecode((hives or [b".hive-mind"])[0]))
        fields = _stat(pid)
        return Running(
            pid, named[0].decode(), at.resolve(), _since(fields), fields[_STATE] in _STANDING
        )
    except (OSError, IndexError):
        return None


def _stat(pid: int) -> list[str]:
    """The fields after the name; empty when it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _since(fields: list[str]) -> float:
    uptime = float((_PROC / "uptime").read_text().split()[0])
    return time.time() - uptime + int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")


def _has_open(pid: int, file: Path) -> bool:
    open_files, wanted = _PROC / str(pid) / "fd", file.resolve()
    try:
        return any(each.resolve() == wanted for each in list(open_files.iterdir()))
    except OSError:
        return False
