"""Who is alive. Owns: the heartbeats of queen, gateway and monitor, written and read.

A process beats from its own event loop, so that a hung one falls silent. One that ends in order
says so; a row without that word belongs to a process that should be running. Refuses to fail
whoever beats: a heartbeat that cannot be written is silence, and silence is noticed elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, RowMapping, delete, select

from guardrails.clock import Clock, iso, parse
from guardrails.errors import (
    BadInput,
    ConfigError,
    NotFound,
    Refused,
    Stopped,
    StoreUnavailable,
)
from guardrails.store import Store, upsert
from guardrails.store.people_tables import heartbeats

log = structlog.get_logger(__name__)
Role = Literal["queen", "gateway", "monitor"]
Json = dict[str, Any]
_LAST_WORD_S = 5.0
_STAT_STATE, _STAT_STARTED = 0, 19  # fields of /proc/<pid>/stat after the command's name
# Whoever started the process has been told of these; it need not be missed.
_IN_ORDER = (
    *(asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit),
    *(Stopped, Refused, ConfigError, BadInput, NotFound),
)


@dataclass(frozen=True)
class Heartbeat:
    """The latest one of a process.

    Args:
        document: what it said of itself.
        ended_at: when it said that it ends; None while it should be running.
        error: code of the error that ended it; None when it ended in order.
        born: the kernel's start mark of the process, to tell it from a later one with its number.
    """

    name: str
    pid: int
    host: str
    started_at: datetime
    beat_at: datetime
    interval_s: int
    document: Json = field(default_factory=dict)
    ended_at: datetime | None = None
    error: str | None = None
    born: int | None = None

    @property
    def role(self) -> str:
        """`queen`, `gateway` or `monitor`."""
        return self.name.partition("@")[0]

    @property
    def expected(self) -> bool:
        """Whether the process should be running: it has not ended in order."""
        return self.ended_at is None or self.error is not None


def host_name() -> str:
    """This machine, as heartbeats name it."""
    return socket.gethostname()[:60] or "localhost"


def name_of(role: Role, host: str | None = None) -> str:
    """`queen@host`."""
    return f"{role}@{host or host_name()}"


def process_state(pid: int) -> tuple[str, int] | None:
    """State letter and start mark of a process of this machine; None when there is none.

    `T` is stopped, `Z` dead and not yet buried. Where the kernel has no /proc, a process that
    exists is `?` with the mark 0.
    """
    if not Path("/proc/self/stat").exists():
        return _signalled(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[_STAT_STATE], int(fields[_STAT_STARTED])


def read_heartbeats(conn: Connection) -> tuple[Heartbeat, ...]:
    """Every process's latest heartbeat, by name."""
    found = conn.execute(select(heartbeats).order_by(heartbeats.c.name)).mappings()
    return tuple(_heartbeat(row) for row in found)


def put(conn: Connection, row: Mapping[str, Any]) -> None:
    """Write a heartbeat, in a write transaction: for whoever has no event loop to beat from."""
    upsert(conn, heartbeats, row, ("name",))


def ended_word(clock: Clock) -> Json:
    """What a process that ends in order says last."""
    return {"ended_at": iso(clock())}


def retire(conn: Connection, name: str) -> bool:
    """Expect this process no more: a machine that was taken away. Returns whether it was known."""
    gone = delete(heartbeats).where(heartbeats.c.name == name)
    return bool(conn.execute(gone).rowcount)


class Beating:
    """An async context: beats at once, then every `interval_s`, and says so when it ends.

    Args:
        store: None for whoever writes its rows itself (`row` and `put`).
        clock: what really passes; never the sandbox's shifted one.
        tell: what the process says of itself now, as JSON values; cheap, and called on the loop.
            No secrets, no addresses.
    """

    def __init__(
        self,
        store: Store | None,
        role: Role,
        clock: Clock,
        interval_s: int,
        tell: Callable[[], Mapping[str, Any]] | None = None,
        *,
        host: str | None = None,
        pid: int | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell or dict
        self._interval_s = interval_s
        self._host = host or host_name()
        self._name = name_of(role, self._host)
        self._pid = pid or os.getpid()
        self._started_at = iso(clock())
        self._born = (process_state(self._pid) or ("", 0))[1]
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Beating:
        await self._bounded({}, self._interval_s)
        self._task = asyncio.create_task(self._go_on(), name=f"heartbeat-{self._name}")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        word = ended_word(self._clock)
        if error is not None and not isinstance(error, _IN_ORDER):
            word["error"] = str(getattr(error, "code", type(error).__name__))[:80]
        await self._bounded(word, _LAST_WORD_S)

    async def beat(self, word: Mapping[str, Any] | None = None) -> None:
        """Write one heartbeat now.

        Raises:
            StoreUnavailable: the database cannot be written.
        """
        if self._store is None:
            raise StoreUnavailable("no store to beat in")
        row = self.row(word)
        await self._store.run(lambda conn: put(conn, row))

    def row(self, word: Mapping[str, Any] | None = None) -> Json:
        """The heartbeat of this moment, for `put`."""
        told = dict(self._tell()) | {"born": self._born} | dict(word or {})
        return {
            "name": self._name,
            "pid": self._pid,
            "host": self._host,
            "started_at": self._started_at,
            "beat_at": iso(self._clock()),
            "interval_s": self._interval_s,
            "document": json.dumps(told, ensure_ascii=False),
        }

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._bounded({}, self._interval_s)

    async def _bounded(self, word: Json, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.beat(word)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("heartbeat_not_written", name=self._name, error=type(error).__name__)
        except Exception:  # an error in what it tells of itself must not end what it does
            log.exception("heartbeat_failed", name=self._name)


def _heartbeat(row: RowMapping) -> Heartbeat:
    try:
        document = json.loads(row["document"] or "{}")
    except ValueError:
        document = {}
    told = document if isinstance(document, dict) else {}
    ended, born = told.pop("ended_at", None), told.pop("born", None)
    return Heartbeat(
        name=row["name"],
        pid=row["pid"],
        host=row["host"],
        started_at=parse(row["started_at"]),
        beat_at=parse(row["beat_at"]),
        interval_s=row["interval_s"],
        document=told,
        ended_at=parse(ended) if ended else None,
        error=told.pop("error", None),
        born=born if isinstance(born, int) else None,
    )


def _signalled(pid: int) -> tuple[str, int] | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it is another user's, and it is there
    return "?", 0
