"""The person in the hive's files. Owns: shadow logs, logs, and looking whether anything is left.

Processes may be writing these files: a log is not replaced under them, the address in it is
written over in place. Refuses the audit, which never holds an address, and another hive below
this one, such as a chaos campaign's.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from guardrails.hive import Hive, sync_directory
from orchestrator.forget.person import Person

_CHUNK = 1024 * 1024
_LONGEST = 600  # bytes of an address, escaped
_NOT_OURS = ("audit", "keys")


def erase_files(hive: Hive, person: Person) -> int:
    """Take them out of every file but the database and the bank; gives how many changed."""
    changed = 0
    for path in _files(hive):
        if path.name == "emails.json":
            changed += _without_emails(path, person)
        elif not _is_database(hive, path):
            changed += _overwritten(path, person)
    return changed


def left_in(hive: Hive, person: Person) -> list[Path]:
    """Every file of the hive that still holds the address, or cannot be read for it; the
    database's own among them.
    """
    return [path for path in _files(hive, everything=True) if _may_hold(path, person)]


def _may_hold(path: Path, person: Person) -> bool:
    try:
        return any(_places(path, person))
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return True  # damaged: nobody can tell


def _files(hive: Hive, *, everything: bool = False) -> Iterator[Path]:
    for folder, names, files in os.walk(hive.path):
        here = Path(folder)
        if not everything:
            names[:] = [name for name in names if not _leave(hive, here / name)]
        for name in sorted(files):
            path = here / name
            if path.is_file() and not path.is_symlink():
                yield path


def _leave(hive: Hive, folder: Path) -> bool:
    own = folder.parent == hive.path and folder.name in _NOT_OURS
    return own or (folder / "hive.json").exists()


def _is_database(hive: Hive, path: Path) -> bool:
    return path.name.startswith(hive.database_file.name) or path.name.startswith("reasoning_bank")


def _without_emails(path: Path, person: Person) -> int:
    """A shadow log is written anew without their e-mails: it is valid JSON at every moment."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    kept = [mail for mail in found if not _is_theirs(mail, person)]
    if len(kept) == len(found):
        return 0
    lines = ",\n".join(json.dumps(mail, ensure_ascii=False) for mail in kept)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.erase")
    with scratch.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"[\n{lines}\n]\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    sync_directory(path.parent)
    return 1


def _is_theirs(mail: dict[str, Any], person: Person) -> bool:
    text = json.dumps(mail, ensure_ascii=False)
    return mail.get("lead_id") == person.lead_id or person.pattern.search(text) is not None


def _overwritten(path: Path, person: Person) -> int:
    if path.suffix == ".gz":
        return 0  # cannot be written over in place; the search at the end names it
    places = list(_places(path, person))
    if not places:
        return 0
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for start, length in places:
            os.pwrite(descriptor, b"x" * length, start)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return 1


def _opened(path: Path) -> BinaryIO:
    """What stands in it, also where it is compressed (closed days of the audit)."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _places(path: Path, person: Person) -> Iterator[tuple[int, int]]:
    """Where the address stands: offset and length. A file that is gone holds nothing."""
    try:
        with _opened(path) as file:
            offset, rest = 0, b""
            while block := file.read(_CHUNK):
                data = rest + block
                begin = offset - len(rest)
                for found in person.bytes_pattern.finditer(data):
                    if found.start() or not rest:  # what came before the rest is not seen here
                        yield begin + found.start(), found.end() - found.start()
                offset += len(block)
                rest = data[-_LONGEST:]
    except FileNotFoundError:
        return
