"""What the kernel says about processes. Owns: memory, open files, descendants, who is left over.

Linux only in its details: elsewhere every figure is absent, and absent is said, never zero.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")


def memory_mb(pid: int) -> float | None:
    """Proportional set size in MB: shared pages count once over all who share them."""
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return None


def open_files(pid: int) -> int | None:
    """Open file descriptors."""
    try:
        return len(os.listdir(_PROC / str(pid) / "fd"))  # noqa: PTH208 - names only
    except OSError:
        return None


def descendants(pid: int) -> set[int]:
    """Living children of a process and theirs; zombies are dead."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def using(path: Path) -> set[int]:
    """Processes, except this one, whose environment or command names `path`."""
    mark = os.fsencode(path.resolve())
    found = set()
    for entry in _numbers():
        if entry == os.getpid():
            continue
        for name in ("environ", "cmdline"):
            try:
                if mark in (_PROC / str(entry) / name).read_bytes():
                    found.add(entry)
            except OSError:
                continue
    return found


def alive(pids: Iterable[int]) -> set[int]:
    """Those that run; a zombie does not."""
    return {pid for pid in pids if (stat := _stat(pid)) is not None and stat[0] != "Z"}


def _parents() -> Iterator[tuple[int, int]]:
    for pid in _numbers():
        stat = _stat(pid)
        if stat is not None and stat[0] != "Z":
            yield pid, stat[1]


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and parent of a process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]  # the name before it may hold anything
    return state, int(parent)


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []
