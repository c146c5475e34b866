"""What the monitor remembers over a restart. Owns: one small file, replaced whole.

A memory that cannot be read is put aside and begun anew: what is wrong is then told once more,
which is better than not at all. One that cannot be written is kept in this process meanwhile.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime

import structlog
from pydantic import Field, ValidationError

from guardrails.hive import Hive, sync_directory
from guardrails.model import Frozen
from orchestrator.health.incidents import Incident, News

log = structlog.get_logger(__name__)
SCHEMA = 1
_PENDING = 200  # older news than the latest so many are dropped: they stand in the local file


class ChainPlace(Frozen):
    """The audit record up to which the chain was checked."""

    day: str = ""
    offset: int = 0
    seq: int = 0
    hash: str = ""


class Memory(Frozen):
    """Open incidents, news that nobody was told yet, and how far slow checks have got.

    Args:
        tail: the chain is followed from here; None: from what is sealed at the next round.
        walk: the walk over the whole chain has come so far; None: it is not under way.
        walked_at: when the last whole walk ended.
        others: where the other machines' chains stood at the last round.
    """

    schema_version: int = SCHEMA
    incidents: dict[str, Incident] = Field(default_factory=dict)
    pending: tuple[News, ...] = ()
    tail: ChainPlace | None = None
    walk: ChainPlace | None = None
    walked_at: datetime | None = None
    others: dict[str, ChainPlace] = Field(default_factory=dict)


class MemoryFile:
    """`monitor.json` in the hive. One that does not write lets another monitor's be."""

    def __init__(self, hive: Hive, *, writes: bool = True) -> None:
        self._path = hive.path / "monitor.json"
        self._writes = writes
        self._saved: Memory | None = None

    def load(self) -> Memory:
        """What was saved last."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Memory()
        except OSError as error:
            log.warning("monitor_memory_unreadable", error=error.strerror)
            return Memory()
        try:
            found = Memory.model_validate_json(content)
            if found.schema_version != SCHEMA:
                raise ValueError("another schema")
        except (ValidationError, ValueError):
            log.warning("monitor_memory_damaged")
            with suppress(OSError):
                if self._writes:
                    self._path.replace(self._path.with_suffix(".damaged"))
            return Memory()
        self._saved = found
        return found

    def save(self, memory: Memory) -> Memory:
        """Write it if it changed; gives what is remembered, written or not."""
        memory = memory.model_copy(update={"pending": memory.pending[-_PENDING:]})
        if memory == self._saved or not self._writes:
            return memory
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with draft.open("wb") as file:
                file.write(memory.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            log.warning("monitor_memory_unwritable", error=error.strerror)
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        else:
            self._saved = memory
        return memory
