"""The bank's file. Owns: reading it whole or not at all, and replacing it atomically.

One writer at a time, under an exclusive lock on a file beside it; the new text is written and
fsynced next to the old, then renamed over it, and the old stays as `.bak`. Readers need no lock:
they see the old file or the new one. Refuses: a missing, torn, foreign-schema or hand-altered
file (its digest must fit), all as `BankUnreadable`, never as an empty bank.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from guardrails.bank.models import SCHEMA_VERSION, Document, Item, Version
from guardrails.errors import BankUnreadable

LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.01
_SEPARATOR = b",\n"


class Signature(NamedTuple):
    """What changes when the file does."""

    mtime_ns: int
    ctime_ns: int  # changes even when somebody puts the modification time back
    size: int
    inode: int


class Lines:
    """What items look like in the file, kept from one write to the next: most stay as they are."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Item, bytes]] = {}

    def of(self, items: Iterable[Item]) -> list[bytes]:
        """The lines of `items`; what was written before and is the same object is not made anew."""
        former, self._known = self._known, {}
        lines = []
        for item in items:
            known = former.get(item.id)
            line = known[1] if known is not None and known[0] is item else _fresh_line(item)
            self._known[item.id] = (item, line)
            lines.append(line)
        return lines


def backup_of(path: Path) -> Path:
    """Where the previous version is."""
    return path.with_name(f"{path.name}.bak")


def signature_of(path: Path) -> Signature:
    """The file's present signature; cheap enough for every consult.

    Raises:
        BankUnreadable: the file is missing or cannot be looked at.
    """
    try:
        return _signature(os.stat(path))  # noqa: PTH116 - a third of the cost of Path.stat
    except OSError as error:
        raise _unreadable(path, error.strerror or "cannot be looked at") from error


def read_document(path: Path) -> tuple[Document, Signature]:
    """The validated document, and the signature it was read under.

    Raises:
        BankUnreadable: missing, torn, of an unknown schema version, or altered by hand.
    """
    try:
        with path.open("rb") as file:
            signature = _signature(os.fstat(file.fileno()))
            raw = file.read()
    except OSError as error:
        raise _unreadable(path, error.strerror or "cannot be read") from error
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _unreadable(path, f"not valid JSON ({error})") from error
    return _validated(path, data), signature


def write_document(
    path: Path, items: Iterable[Item], counter: int, known: Lines | None = None
) -> tuple[Version, Signature]:
    """Replace the bank atomically; the caller holds `exclusive(path)`.

    Args:
        known: the lines of the caller's former write.

    Returns the new version and the new file's signature.

    Raises:
        BankUnreadable: the disk refused; the old file stands.
    """
    lines = (known or Lines()).of(items)
    version = Version(counter=counter, digest=_digest(lines))
    head = orjson.dumps({"schema_version": SCHEMA_VERSION, "version": version.model_dump()})
    text = head[:-1] + b',"items":[\n' + _SEPARATOR.join(lines) + b"\n]}\n"
    try:
        return version, _replace(path, text)
    except OSError as error:
        raise BankUnreadable(
            f"{path.name} cannot be written ({error.strerror}); the former version stands",
            remedy="Check disk space and permissions of the hive directory.",
        ) from error


def keep_as_backup(path: Path) -> None:
    """Have the backup be what stands now; the caller holds `exclusive(path)`.

    Raises:
        BankUnreadable: the disk refused.
    """
    spare = path.with_name(f"{path.name}.bak.tmp")
    try:
        _write_synced(spare, path.read_bytes())
        spare.replace(backup_of(path))
    except OSError as error:
        raise _unreadable(path, error.strerror or "cannot be copied") from error


@contextmanager
def exclusive(path: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the writers' lock. It ends with the process, so a killed writer leaves none behind.

    Raises:
        BankUnreadable: another writer held it for `wait_s` seconds, or it cannot be made.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unreadable(lock, error.strerror or "cannot be opened") from error
    try:
        _acquire(descriptor, path, time.monotonic() + wait_s)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def collector_paused() -> Iterator[None]:
    """While very many objects are made that all stay, the garbage collector would walk them over
    and over: three quarters of the time of loading a large bank."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise BankUnreadable(
                    f"another process keeps writing {path.name}",
                    remedy="See which process holds the lock file beside it, and try again.",
                ) from error
            time.sleep(_LOCK_POLL_S)
        else:
            return


def _replace(path: Path, text: bytes) -> Signature:
    fresh = path.with_name(f"{path.name}.tmp")
    _write_synced(fresh, text)
    former = path.read_bytes() if path.exists() else text
    spare = path.with_name(f"{path.name}.bak.tmp")
    _write_synced(spare, former)
    spare.replace(backup_of(path))
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return signature_of(path)


def _write_synced(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _validated(path: Path, data: Any) -> Document:
    found = data.get("schema_version") if isinstance(data, dict) else None
    if found != SCHEMA_VERSION or isinstance(found, bool):
        raise BankUnreadable(
            f"{path.name}: schema version {found!r:.40}, this swarm knows {SCHEMA_VERSION}",
            remedy="Use the swarm version that wrote it, or restore the backup beside it.",
        )
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise _unreadable(path, f"{where}: {problem['msg']}") from error
    if document.version.digest != _digest([_line(item) for item in data["items"]]):
        raise _unreadable(path, "its digest does not fit its items: altered outside the swarm")
    if len({item.id for item in document.items}) != len(document.items):
        raise _unreadable(path, "two items share one id")
    return document


def _fresh_line(item: Item) -> bytes:
    return _line(item.model_dump(mode="json"))


def _line(item: dict[str, Any]) -> bytes:
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)


def _digest(lines: list[bytes]) -> str:
    hasher = hashlib.sha256()
    for line in lines:
        hasher.update(line)
        hasher.update(_SEPARATOR)
    return hasher.hexdigest()


def _signature(stat: os.stat_result) -> Signature:
    return Signature(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


def _unreadable(path: Path, why: str) -> BankUnreadable:
    return BankUnreadable(f"{path.name}: {why}")
