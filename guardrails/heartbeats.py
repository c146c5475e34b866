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
from datetime import datetime, timedelta
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
from guardrails.hive import Hive
from guardrails.kernel import dies_with_parent, lost_its_parent, process_state
from guardrails.store import Store, upsert
from guardrails.store.people_tables import heartbeats

log = structlog.get_logger(__name__)
Role = Literal["queen", "gateway", "monitor"]
Json = dict[str, Any]
_LAST_WORD_S = 5.0
_DEATHS, _DEATHS_FOR = 20, timedelta(days=1)  # remembered
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
        deaths: when its predecessors were heard of last that did not end in order; a day of them.
        after_death: its immediate predecessor was one of them.
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
    deaths: tuple[datetime, ...] = ()
    after_death: bool = False

    @property
    def role(self) -> str:
        """`queen`, `gateway` or `monitor`."""
        return self.name.partition("@")[0]

    @property
    def place(self) -> str:
        """Machine, and hive if several share the database."""
        return self.name.partition("@")[2]

    @property
    def expected(self) -> bool:
        """Whether the process should be running: it has not ended in order."""
        return self.ended_at is None or self.error is not None


def host_name() -> str:
    """This machine, as heartbeats name it."""
    return socket.gethostname()[:60] or "localhost"


def name_of(role: Role, host: str | None = None, tag: str | None = None) -> str:
    """`queen@host`, or `queen@host/0123abcd` of one of several hives of a machine."""
    name = f"{role}@{host or host_name()}"
    return f"{name}/{tag}" if tag else name


def tag_of(hive: Hive, *, shared: bool) -> str | None:
    """What tells this hive's processes from others' on a database that hives share; else None.

    Raises:
        ConfigError: the hive's chain cannot be read.
    """
    return chain_tag(hive.chain_id()) if shared else None


def chain_tag(chain: str) -> str:
    """What tells a hive from others in names: the end of its chain."""
    return chain[-8:]


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
        tag: see `tag_of`.
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
        tag: str | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell or dict
        self._interval_s = interval_s
        self._host = host or host_name()
        self._name = name_of(role, self._host, tag)
        self._pid = pid or os.getpid()
        self._started_at = iso(clock())
        self._born = (process_state(self._pid) or ("", 0))[1]
        self._parent = os.getppid()
        self._past: Json | None = None  # what our predecessor left; read with the first beat
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
        elif dies_with_parent() and lost_its_parent(self._parent):
            word["error"] = "supervisor_died"  # nobody asked for this end
        await self._bounded(word, _LAST_WORD_S)

    async def beat(self, word: Mapping[str, Any] | None = None) -> None:
        """Write one heartbeat now.

        Raises:
            StoreUnavailable: the database cannot be written.
        """
        if self._store is None:
            raise StoreUnavailable("no store to beat in")
        await self._store.run(lambda conn: self._put(conn, word))

    def _put(self, conn: Connection, word: Mapping[str, Any] | None) -> None:
        if self._past is None:
            self._past = _past(conn, self._name, (self._pid, self._born), self._clock())
        put(conn, self.row(word))

    def row(self, word: Mapping[str, Any] | None = None) -> Json:
        """The heartbeat of this moment, for `put`."""
        told = dict(self._tell()) | {"born": self._born} | (self._past or {}) | dict(word or {})
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


def _past(conn: Connection, name: str, own: tuple[int, int], now: datetime) -> Json:
    """What is to be remembered of those who had this name before."""
    row = conn.execute(select(heartbeats).where(heartbeats.c.name == name)).mappings().first()
    if row is None:
        return {}
    before = _heartbeat(row)
    # By its number and birth: in a container every start has the same number.
    died = before.expected and (before.pid, before.born or own[1]) != own
    deaths = (*before.deaths, before.beat_at) if died else before.deaths
    kept = [iso(at) for at in deaths[-_DEATHS:] if now - at < _DEATHS_FOR]
    return {"deaths": kept, "after_death": died} if kept else {}


def _heartbeat(row: RowMapping) -> Heartbeat:
    try:
        document = json.loads(row["document"] or "{}")
    except ValueError:
        document = {}
    told = document if isinstance(document, dict) else {}
    ended, born = told.pop("ended_at", None), told.pop("born", None)
    deaths = told.pop("deaths", None)
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
        deaths=tuple(parse(at) for at in deaths) if isinstance(deaths, list) else (),
        after_death=told.pop("after_death", None) is True,
    )
