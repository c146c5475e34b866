"""The monitor as a process. Owns: its independence, its one lock, its signals, whose keys it holds.

Nothing that ends a terminal, a process group or the swarm reaches it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterator, Mapping

from guardrails.hive import Hive
from orchestrator.variables import VARIABLES


def forget_other_keys(kept: Mapping[str, str]) -> None:
    """Take every other variable of the swarm out of this process's environment (P8)."""
    for variable in VARIABLES:
        if variable.name not in kept:
            os.environ.pop(variable.name, None)


def stand_alone() -> None:
    """Be nobody's child: no terminal's end and no process group's end reaches the watch."""
    if _in_the_foreground():
        return  # somebody watches it watch, and ends it by Ctrl-C
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(PermissionError):  # it leads a group already
        os.setsid()


def _in_the_foreground() -> bool:
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


@contextlib.contextmanager
def only_one(hive: Hive) -> Iterator[bool]:
    """Whether no other monitor watches this hive, for the block."""
    try:
        descriptor = os.open(hive.path / "monitor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True  # a full or read-only disk is no reason not to watch
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def until_signalled() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
