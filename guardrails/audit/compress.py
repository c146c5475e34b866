"""Compressing closed days. Owns: that at every moment one whole copy of a day stands on disk.

A day is closed when a later day has a file; the newest one stays open whatever its date. The
compressed copy is written beside the original, put on disk, read back and compared byte for byte;
then it gets its name, then the original goes. Where a crash left both, the original counts until
the copy has been compared with it again. Refuses a day that does not end with a whole line.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from guardrails.audit.files import DayFiles
from guardrails.audit.packed import contents, packed
from guardrails.clock import Clock
from guardrails.errors import AuditBroken, AuditUnwritable, Refused
from guardrails.hive import Hive, sync_directory


@dataclass(frozen=True)
class Compressed:
    """A day that was compressed now, with its lengths in bytes."""

    day: str
    before: int
    after: int


def compress_days(
    hive: Hive, clock: Clock, *, keep_days: int, limit: int | None = None
) -> list[Compressed]:
    """Compress the closed days that are older than `keep_days`, the oldest first.

    Args:
        limit: at most so many days.

    Raises:
        Refused: another process is at it.
        AuditBroken: a closed day does not end with a whole line, or has another copy beside it.
        AuditUnwritable: it cannot be written, or reads back as something else. In either case the
            originals are as before.
    """
    files, directory = DayFiles(hive.audit_dir), hive.audit_dir
    oldest_kept = (clock().date() - timedelta(days=keep_days)).isoformat()
    try:
        with _alone(directory):
            for draft in directory.glob(".*.packing"):
                draft.unlink()  # of whoever was at it and died
            closed = files.days()[:-1]
            due = [day for day in closed if day < oldest_kept and _holds_lines(files.path(day))]
            return [_compress(files, directory, day) for day in due[:limit]]
    except OSError as error:
        raise AuditUnwritable(f"audit: cannot be compressed: {error.strerror or error}") from error


def _holds_lines(plain: Path) -> bool:
    """A day whose first record could not be written, and no later one, left an empty file."""
    return plain.exists() and plain.stat().st_size > 0


def _compress(files: DayFiles, directory: Path, day: str) -> Compressed:
    original, copy = files.path(day), files.packed_path(day)
    if not copy.exists() or not _same(original, copy):
        draft = directory / f".{day}.packing"
        _write(files, day, draft)
        if not _same(original, draft):
            draft.unlink()
            raise AuditUnwritable(f"{draft.name}: reads back as something else than was written")
        draft.replace(copy)
        sync_directory(directory)
    done = Compressed(day, original.stat().st_size, copy.stat().st_size)
    original.unlink()
    sync_directory(directory)
    return done


def _write(files: DayFiles, day: str, draft: Path) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for member in packed(_whole_lines(files, day)):
            file.write(member)
        file.flush()
        os.fsync(descriptor)


def _whole_lines(files: DayFiles, day: str) -> Iterator[bytes]:
    for line in files.lines(day):
        if not line.complete:
            raise AuditBroken(f"{day}: does not end with a whole line, so it stays as it is")
        yield line.content


def _same(original: Path, copy: Path) -> bool:
    """Whether the copy unpacks to the original's bytes. Raises OSError for the original only."""
    with original.open("rb") as file:
        try:
            for _, content in contents(copy):
                if file.read(len(content)) != content:
                    return False
        except OSError:
            return False
        return not file.read(1)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / ".packing-lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Refused("another process is compressing this audit") from error
    finally:
        os.close(descriptor)
