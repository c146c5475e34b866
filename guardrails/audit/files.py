"""The audit's day files. Owns: the lock between processes, durable appends, reading line by line.

A line is whole or it is not there: an append that fails is taken back, and what a crash left
unfinished is cut off by the next writer, since nobody was told of it. A closed day may be
compressed: readers see no difference. Memory use does not grow with the files.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guardrails.audit.packed import contents
from guardrails.audit.records import MAX_BYTES
from guardrails.errors import AuditUnwritable
from guardrails.hive import sync_directory

LOCK_S = 30.0
_DAY_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl(?:\.gz)?\Z")
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Line:
    """A line of a day file. `complete` is False for an unfinished last line."""

    day: str
    number: int  # 1-based; counted from where reading began
    offset: int
    content: bytes
    complete: bool

    @property
    def end(self) -> int:
        """Offset just behind it."""
        return self.offset + len(self.content)


class DayFiles:
    """The `YYYY-MM-DD.jsonl` files of one directory, and compressed ones (`.jsonl.gz`); other
    names in it are not looked at. Where a day has both, the compressed one is not read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, day: str) -> Path:
        """File of `day` (YYYY-MM-DD) while it is open."""
        return self._directory / f"{day}.jsonl"

    def packed_path(self, day: str) -> Path:
        """The same, compressed."""
        return self._directory / f"{day}.jsonl.gz"

    def where(self, day: str) -> Path:
        """The file that is read for `day`; the open one's name when there is none."""
        path, other = self.path(day), self.packed_path(day)
        return other if other.exists() and not path.exists() else path

    def days(self) -> list[str]:
        """Days that have a file, oldest first. Raises OSError."""
        names = (_DAY_FILE.match(path.name) for path in self._directory.iterdir())
        return sorted({name[1] for name in names if name})

    def state(self, day: str) -> tuple[int, int]:
        """Inode and size of a day's file: another pair means somebody wrote. Raises OSError."""
        found = self.where(day).stat()
        return found.st_ino, found.st_size

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the exclusive lock that every writer of this directory takes.

        Raises:
            AuditUnwritable: it cannot be taken within 30 s.
        """
        try:
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise AuditUnwritable(f"the audit's lock cannot be opened: {error.strerror}") from error
        try:
            _take(descriptor)
            yield
        finally:
            os.close(descriptor)

    def append(self, day: str, content: bytes) -> int:
        """Append `content` and wait until it is on disk. To be called under the lock.

        Returns:
            The offset at which it begins.

        Raises:
            AuditUnwritable: disk full, no permission, I/O error. The file is as before.
        """
        path = self.path(day)
        try:
            created = not path.exists()
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            size = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, content)
                os.fsync(descriptor)
                if created:
                    sync_directory(self._directory)
            except OSError as error:
                _take_back(descriptor, size)
                raise _unwritable(path, error) from error
        finally:
            os.close(descriptor)
        return size

    def settle(self, day: str) -> None:
        """Cut an unfinished last line off and put the rest on disk. Under the lock.

        Raises:
            AuditUnwritable: it cannot be done.
        """
        path = self.path(day)
        try:
            descriptor = os.open(path, os.O_RDWR)
            try:
                end = _end_of_last_line(descriptor)
                if end < os.fstat(descriptor).st_size:
                    os.ftruncate(descriptor, end)
                os.fsync(descriptor)
                sync_directory(self._directory)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritable(path, error) from error

    def line_at(self, day: str, offset: int) -> bytes:
        """The line that begins at `offset`. Raises OSError."""
        line = next(self.lines(day, offset), None)
        return line.content if line else b""

    def lines(self, day: str, offset: int = 0) -> Iterator[Line]:
        """The lines of a day from `offset` on, few in memory at a time. Raises OSError.

        A line longer than any record ends the iteration, reported as incomplete.
        """
        for number, (start, content) in enumerate(self._contents(day, offset), 1):
            complete = content.endswith(b"\n")
            yield Line(day, number, start, content, complete)
            if not complete:
                return

    def _contents(self, day: str, offset: int) -> Iterator[tuple[int, bytes]]:
        try:
            file = self.path(day).open("rb")
        except FileNotFoundError:
            if not self.packed_path(day).exists():
                raise
            yield from _unpacked_lines(self.packed_path(day), offset)
            return
        with file:
            file.seek(offset)
            while content := file.readline(MAX_BYTES + 1):
                yield offset, content
                offset += len(content)


def _unpacked_lines(path: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    for start, content in contents(path, offset):
        place = max(0, offset - start)
        while place < len(content):
            end = content.find(b"\n", place) + 1 or len(content)
            yield start + place, content[place:end]
            place = end


def _take(descriptor: int) -> None:
    # A blocking flock cannot be bounded in time from a thread, so it is tried again and again.
    deadline = time.monotonic() + LOCK_S
    pause = 0.0002
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise AuditUnwritable("another process has held the audit for 30 s") from None
            time.sleep(pause)
            pause = min(pause * 2, 0.005)
        except OSError as error:
            raise AuditUnwritable(f"the audit cannot be locked: {error.strerror}") from error
        else:
            return


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _take_back(descriptor: int, size: int) -> None:
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    except OSError:
        # Then the next writer's catch-up deals with what is left; nobody was told of it.
        return


def _end_of_last_line(descriptor: int) -> int:
    position = os.fstat(descriptor).st_size
    while position > 0:
        start = max(0, position - _CHUNK)
        newline = os.pread(descriptor, position - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _unwritable(path: Path, error: OSError) -> AuditUnwritable:
    return AuditUnwritable(f"{path.name}: cannot be written: {error.strerror or error}")
