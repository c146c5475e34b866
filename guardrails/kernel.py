"""Processes as the kernel knows them. Owns: whether one lives, is stopped or is another by now, and
that one ends with its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_STAT_STATE, _STAT_STARTED = 0, 19  # fields of /proc/<pid>/stat after the command's name
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2


def process_state(pid: int) -> tuple[str, int] | None:
    """State letter and start mark of a process of this machine; None when there is none.

    `T` is stopped, `Z` dead and not yet buried. Where the kernel has no /proc, a process that
    exists is `?` with the mark 0.
    """
    if not Path("/proc/self/stat").exists():
        return _signalled(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[_STAT_STATE], int(fields[_STAT_STARTED])


def lost_its_parent(parent: int) -> bool:
    """Whether this process's parent at its start is dead, or dying with threads still about."""
    if os.getppid() != parent:
        return True
    state = process_state(parent)
    return state is None or state[0] in "ZX"


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere stdin's end does).

    A closed stdin ends a healthy server anyway; this is for the one that cannot read it.

    Args:
        parent: who it was at the start, when that is known; else whoever it is now.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = parent or os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), signal.SIGKILL)


def dies_with_parent() -> bool:
    """Whether somebody supervises this process: the kernel ends it with its parent."""
    if not sys.platform.startswith("linux"):
        return False
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value != 0


def _signalled(pid: int) -> tuple[str, int] | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it is another user's, and it is there
    return "?", 0
