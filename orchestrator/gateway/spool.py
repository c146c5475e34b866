"""Deliveries that the database could not take. Owns: their files, and moving them in exactly once.

The sender was told that we have it, so it is on disk (fsync) before that. Each process appends to a
file of its own; whoever absorbs takes a file away by renaming it, stores its lines (ids make that
idempotent) and deletes it after the last commit. A crash anywhere leaves a file that the next one
absorbs again, to the same rows; while the database does not take what was left, no more is taken
away. A torn line was never answered for, and is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog
from sqlalchemy import Connection

from guardrails.batching import Batcher, Outcome
from guardrails.errors import DiskTrouble
from guardrails.hive import sync_directory
from guardrails.store import Store
from guardrails.taken_away import is_at, written
from orchestrator.gateway.incoming import Incoming

log = structlog.get_logger(__name__)
MAX_BYTES = 256 * 1024 * 1024  # of all that waits: an outage must not fill the disk
_ROWS, _BYTES = 50, 2_000_000  # of one transaction


class Spool:
    """`inbox_spool/` of one hive. Safe to share between tasks.

    Args:
        most: bytes that may wait here; what comes after is refused.
    """

    def __init__(self, directory: Path, most: int = MAX_BYTES) -> None:
        self._directory = directory
        self._most = most
        self._writer: Batcher[bytes, None] = Batcher(
            "spool", self._write, lambda: DiskTrouble("the spool is closed")
        )

    async def add(self, incoming: Incoming) -> None:
        """Put a delivery on disk; concurrent ones share an fsync.

        Raises:
            DiskTrouble: it is not there.
        """
        await asyncio.wrap_future(self._writer.submit(incoming.line()))

    async def absorb(self, store: Store) -> int:
        """Move what is here into the inbox; how many deliveries were new there.

        Raises:
            StoreUnavailable: the rest stays here for the next time.
        """
        moved = 0
        for take in (self._left, self._taken):
            for path in await asyncio.to_thread(take):
                for batch in _batches(path):
                    moved += await store.run(_applying(batch))
                path.unlink(missing_ok=True)
        return moved

    def waiting(self) -> int:
        """Bytes that are not in the database yet."""
        total = 0
        for path in self._files("*.jsonl"):
            with contextlib.suppress(FileNotFoundError):  # absorbed meanwhile
                total += path.stat().st_size
        return total

    def close(self) -> None:
        """Finish what was submitted."""
        self._writer.close()

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self._directory.glob(pattern)) if self._directory.exists() else []

    def _write(self, lines: Sequence[bytes]) -> list[Outcome[None]]:
        try:
            self._append(b"".join(lines))
        except OSError as error:
            raise DiskTrouble(f"inbox_spool/: cannot be written ({error.strerror})") from error
        return [Outcome()] * len(lines)

    def _append(self, content: bytes) -> None:
        path = self._directory / f"spool-{os.getpid()}.jsonl"
        self._directory.mkdir(mode=0o700, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not is_at(descriptor, path):
                    continue  # taken away between opening and locking: a new file takes it
                size = os.fstat(descriptor).st_size
                if self.waiting() + len(content) > self._most:
                    raise OSError(0, "the spool is full")
                whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
                _write_all(descriptor, content if whole else b"\n" + content)
                os.fsync(descriptor)
                if size == 0:  # its name is not on disk yet, whoever made it
                    sync_directory(self._directory)
                return
            finally:
                os.close(descriptor)

    def _taken(self) -> list[Path]:
        """Every file there is, taken away from its writer."""
        for path in self._files("spool-*.jsonl"):
            target = path.with_name(f"absorbing-{path.stem}-{os.urandom(4).hex()}.jsonl")
            with contextlib.suppress(OSError):  # another absorber was first
                path.rename(target)
        return self._left()

    def _left(self) -> list[Path]:
        """Every file that was taken away, now or by somebody who could not finish."""
        return [path for path in self._files("absorbing-*.jsonl") if written(path)]


def _batches(path: Path) -> Iterator[list[Incoming]]:
    batch: list[Incoming] = []
    size = 0
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            found = Incoming.of_line(line)
            if found is None:
                log.warning("spool_line_torn", bytes=len(line))
                continue
            batch.append(found)
            size += len(line)
            if len(batch) == _ROWS or size > _BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _applying(batch: Sequence[Incoming]) -> Callable[[Connection], int]:
    return lambda conn: sum(one.apply(conn) for one in batch)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
