"""The STOP file: what stops this machine with nothing else at hand. Owns: placing and removing it.

Every process of the swarm looks at it before a permit is spent and before a write's first byte.
It is placed before anything heavy is loaded, so this module needs the standard library alone (and
any Python 3 that is still about). Its presence is the stop; the text in it is for people. Refuses
to give up while there is a way left to make the name appear: a hard link, a directory, a dangling
link, or a log file that is renamed stops as well.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NAME = "STOP"
_LONGEST = 180  # characters of the one line that is shown everywhere
_ADDRESS = re.compile(r"\S+@\S+")


@dataclass(frozen=True)
class Placed:
    """What became of it.

    Args:
        present: the name is there: this machine is stopped.
        already: it was there before.
        how: by which of the ways; empty when it was there before, or is not.
        durable: it survives a power cut.
        problem: why it is not there, or not durable, for a person.
        at: when it was seen to be there, seconds since 1970.
    """

    present: bool
    already: bool
    how: str = ""
    durable: bool = False
    problem: str = ""
    at: float = 0.0


def clean_reason(reason: str) -> str:
    """One line without addresses: it is shown in logs and on the record."""
    line = " ".join(_ADDRESS.sub("[address]", reason).split())
    return "".join(letter for letter in line if letter.isprintable())[:_LONGEST]


def place(hive: Path, reason: str) -> Placed:
    """Make the file appear in the directory `hive`; never raises.

    Ten at once place one file, and all find it present.
    """
    path = hive / NAME
    already = _there(path)
    how, problems = "", []
    if not already:
        for name, make in _WAYS:
            try:
                make(path, reason)
            except FileExistsError:
                already = True
            except OSError as error:
                problems.append(f"{name}: {error.strerror}")
                continue
            else:
                how = name
            break
    if not _there(path):
        return Placed(False, already=False, problem="; ".join(problems) or "it is not there")
    at, problem = time.time(), _synced(hive)
    return Placed(True, already, how, durable=not problem, problem=problem, at=at)


def remove(hive: Path) -> None:
    """Make it disappear, whatever it is; it may be gone already. Raises OSError."""
    path = hive / NAME
    try:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    except FileNotFoundError:
        return
    problem = _synced(hive)
    if problem:
        raise OSError(problem)


def _create(path: Path, reason: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, clean_reason(reason).encode("utf-8", "replace") + b"\n")
        os.fsync(descriptor)
    except OSError:
        pass  # a full disk: without its text it stops all the same
    finally:
        os.close(descriptor)


def _link(path: Path, _reason: str) -> None:
    """Needs no inode: any file of the hive under a second name."""
    for other in sorted(path.parent.iterdir()):
        if other.is_file() and not other.is_symlink():
            os.link(other, path)
            return
    raise FileNotFoundError(2, "there is no file to link to")


def _directory(path: Path, _reason: str) -> None:
    path.mkdir(mode=0o700)


def _dangling(path: Path, _reason: str) -> None:
    path.symlink_to("stopped")


def _renamed(path: Path, _reason: str) -> None:
    """Needs nothing at all: a log takes the name, and is written on under it."""
    for log in sorted((path.parent / "logs").glob("*.log*"), reverse=True):
        log.rename(path)
        return
    raise FileNotFoundError(2, "there is no log to rename")


_WAYS: tuple[tuple[str, Callable[[Path, str], None]], ...] = (
    ("file", _create),
    ("hard link", _link),
    ("directory", _directory),
    ("link", _dangling),
    ("renamed log", _renamed),
)


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _synced(hive: Path) -> str:
    """Why the directory's new content might not survive a power cut; empty when it will."""
    try:
        descriptor = os.open(hive, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"not synced: {error.strerror}"
    return ""
