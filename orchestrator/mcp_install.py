"""Adding to a client's configuration file. Owns: that nothing that stands there is lost.

Refuses a file that it cannot read as plain JSON (comments would be lost), and one in which what it
would add to has another form. What was there is kept beside it; the new content appears whole or
not at all.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.errors import BadInput, DiskTrouble


@dataclass(frozen=True)
class Installed:
    """What was done. `backup` is what stood there before, None when there was no file."""

    file: Path
    backup: Path | None
    added: tuple[str, ...]
    replaced: tuple[str, ...]


def install(file: Path, wanted: Mapping[str, Any]) -> Installed:
    """Merge `wanted` into the file.

    Raises:
        BadInput: what stands there cannot be merged with; nothing was changed.
        DiskTrouble: it cannot be read or written; nothing was changed.
    """
    try:
        file = file.resolve()  # a link stays one
        before = file.read_bytes() if file.exists() else None
        present = _read(file, before) if before is not None and before.strip() else {}
        merged, added, replaced = _merged(file, present, wanted)
        backup = None
        if before is not None and merged != present:
            backup = _backup(file, before)
        if merged != present:
            _write(file, json.dumps(merged, indent=2, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise DiskTrouble(f"{file}: {error.strerror}") from error
    return Installed(file, backup, added, replaced)


def _read(file: Path, content: bytes) -> dict[str, Any]:
    remedy = "Add the entries by hand: without --install they are printed. Nothing was changed."
    try:
        found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is not plain JSON ({error})", remedy=remedy) from error
    if not isinstance(found, dict):
        raise BadInput(f"{file} is no JSON object", remedy=remedy)
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that stands twice would lose its first value."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _merged(
    file: Path, present: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    merged = dict(present)
    added: list[str] = []
    replaced: list[str] = []
    for section, ours in wanted.items():
        there = merged.get(section, type(ours)())
        if type(there) is not type(ours):
            raise BadInput(f"{file}: `{section}` has another form; nothing was changed")
        if isinstance(ours, dict):
            added += [name for name in ours if name not in there]
            replaced += [name for name in ours if name in there and there[name] != ours[name]]
            merged[section] = there | ours
        else:  # inputs, by their id
            ids = {one["id"] for one in ours}
            kept = [one for one in there if not (isinstance(one, dict) and one.get("id") in ids)]
            merged[section] = [*kept, *ours]
    return merged, tuple(added), tuple(replaced)


def _backup(file: Path, content: bytes) -> Path:
    number = 0
    while True:
        number += 1
        backup = file.with_name(f"{file.name}.before-swarm-{number}")
        try:
            _write_new(backup, content, file.stat().st_mode & 0o777)
        except FileExistsError:
            continue
        return backup


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        _write_new(draft, content, mode)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _write_new(file: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
