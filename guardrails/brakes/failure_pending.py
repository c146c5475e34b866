"""Failures that the database could not take. Owns: their files, and moving them in exactly once.

A failing store is itself a failure worth a row. Each process appends to a file of its own; whoever
absorbs takes a file away by renaming it, inserts its rows (ids make that idempotent) and deletes
it after the commit. A crash anywhere leaves a file that the next one absorbs again, to the same
rows. Refuses to raise: who records a failure is already in trouble.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import orjson
import structlog

from guardrails.brakes.failure_kinds import KINDS
from guardrails.brakes.failure_rows import FailureRow, clean
from guardrails.taken_away import is_at, written

log = structlog.get_logger(__name__)
MAX_BYTES = 10_000_000  # of one process's file: trouble that lasts must not fill the disk
_NAMES = {field.name for field in fields(FailureRow)}
_TEXT = ("failure_id", "at", "server", "operation", "kind", "signature", "detail")
_MAYBE_TEXT = ("vendor", "lead_id", "run_id", "injected")


class PendingFiles:
    """`pending-<pid>.jsonl` of one directory. Safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._guard = threading.Lock()

    def add(self, rows: Sequence[FailureRow]) -> bool:
        """Append a line for each; False when they could not be kept either (logged)."""
        lines = b"".join(orjson.dumps(asdict(row)) + b"\n" for row in rows)
        try:
            with self._guard:
                self._append(lines)
        except OSError as error:
            for row in rows:
                log.error("failure_lost", kind=row.kind, detail=row.detail, why=error.strerror)
            return False
        return True

    def taken(self) -> list[Path]:
        """Every file there is, taken away from its writer."""
        try:
            for path in sorted(self._directory.glob("pending-*.jsonl")):
                target = path.with_name(f"absorbing-{path.stem}-{os.urandom(4).hex()}.jsonl")
                with contextlib.suppress(OSError):  # another absorber was first
                    path.rename(target)
            found = sorted(self._directory.glob("absorbing-*.jsonl"))
        except OSError as error:
            log.warning("pending_failures_unreadable", why=error.strerror)
            return []
        return [path for path in found if written(path)]

    def rows(self, path: Path) -> Iterator[FailureRow]:
        """The rows in a file; a torn or foreign line is left out and logged."""
        try:
            content = path.read_bytes()
        except OSError:
            return  # absorbed and deleted by another process
        for line in content.splitlines():
            row = _row(line)
            if row is None and line:
                log.warning("pending_failure_torn", file=path.name, bytes=len(line))
            elif row is not None:
                yield row

    def done(self, paths: Sequence[Path]) -> None:
        """Delete files whose rows are committed."""
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink()

    def _append(self, lines: bytes) -> None:
        path = self._directory / f"pending-{os.getpid()}.jsonl"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not is_at(descriptor, path):
                    continue  # taken away between opening and locking: a new file takes these
                size = os.fstat(descriptor).st_size
                if size > MAX_BYTES:
                    raise OSError(0, "the file of pending failures is full")
                whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
                rest = lines if whole else b"\n" + lines  # after a torn line
                while rest:  # a disk that fills up takes a part, and says so at the next write
                    rest = rest[os.write(descriptor, rest) :]
                return
            finally:
                os.close(descriptor)


def _row(line: bytes) -> FailureRow | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or set(found) != _NAMES or not _fit(found):
        return None
    return FailureRow(**cast("dict[str, Any]", found | {"detail": clean(found["detail"])}))


def _fit(found: dict[str, Any]) -> bool:
    if not all(isinstance(found[name], str) for name in _TEXT) or found["kind"] not in KINDS:
        return False
    if not all(found[name] is None or isinstance(found[name], str) for name in _MAYBE_TEXT):
        return False
    numbers = [found["attempt"], found["cost_micros"]]
    numbers += [found["status"]] if found["status"] is not None else []
    return all(type(number) is int for number in numbers)
