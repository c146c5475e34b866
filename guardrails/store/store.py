"""The database. Owns: transactions on SQLite and PostgreSQL, and what a failing one means.

SQLite lives in the hive; PostgreSQL is used when a URL is given. Everything that several
processes or machines share is here. Refuses to guess: every error of a driver is
`StoreUnavailable`, and callers fail closed (P6).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from guardrails.batching import Batcher, Outcome
from guardrails.errors import ConfigError, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store.engine import BUSY_MS, postgres_engine, sqlite_engine
from guardrails.store.migrate import migrate

T = TypeVar("T")
Call = Callable[[Connection], Any]


class Store:
    """Transactions on one database. Get it by `open_store`; safe to share between threads.

    Args:
        admit: says whether this hive may work here, once the schema is there; raises if not.
    """

    def __init__(self, engine: Engine, admit: Callable[[Connection], None] | None = None) -> None:
        self._engine = engine
        self._admit = admit
        self._is_sqlite = engine.dialect.name == "sqlite"
        # SQLite's own wait for a lock polls with sleeps of up to 100 ms; threads of one process
        # queue here instead.
        self._writing = threading.Lock()
        self._writer: Batcher[Call, Any] = Batcher(
            "store", self._commit, lambda: StoreUnavailable("the store is closed")
        )
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-read")

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction: commits at the end of the block, rolls back on any exception.

        On SQLite it holds the database's one write lock from its first line on. Not to be nested.

        Raises:
            StoreUnavailable: the driver failed, or the lock was not to be had within 30 s.
        """
        with self._one_writer(), _translated(), self._engine.connect() as conn:
            if self._is_sqlite:
                conn.exec_driver_sql("BEGIN IMMEDIATE")
            yield conn
            try:
                conn.commit()
            except BaseException:
                conn.invalidate()  # it may still be within the transaction: not for anybody else
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: on SQLite one consistent snapshot, never waiting for writers.

        Raises:
            StoreUnavailable: the driver failed.
        """
        with _translated(), self._engine.connect() as conn:
            if self._is_sqlite:
                conn.exec_driver_sql("BEGIN")
            yield conn

    async def run(self, call: Callable[[Connection], T]) -> T:
        """`call(conn)` in a write transaction on the store's thread; returns after the commit.

        Concurrent calls may share a commit, each in a savepoint. A cancelled caller's write may
        still happen: make it idempotent.

        Raises:
            StoreUnavailable: the driver failed; nothing of this call was written, or (PostgreSQL
                lost during commit) it is unknown.
        """
        result: T = await asyncio.wrap_future(self._writer.submit(call))
        return result

    async def query(self, call: Callable[[Connection], T]) -> T:
        """`call(conn)` in a read transaction on the store's second thread.

        Raises:
            StoreUnavailable: the driver failed.
        """

        def work() -> T:
            with self.read() as conn:
                return call(conn)

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def migrate(self) -> None:
        """Bring the database to the newest schema.

        Raises:
            ConfigError: it is newer than we are, or of hives with another salt.
            StoreUnavailable: the driver failed.
        """
        with self.transaction() as conn:
            migrate(conn)
            if self._admit is not None:
                self._admit(conn)

    def close(self) -> None:
        """Finish submitted writes and close every connection."""
        self._writer.close()
        self._readers.shutdown()
        self._engine.dispose()

    def _commit(self, calls: Sequence[Call]) -> list[Outcome[Any]]:
        with self.transaction() as conn:
            if len(calls) == 1:
                return [Outcome(calls[0](conn))]
            return [_in_savepoint(conn, call) for call in calls]

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        if not self._is_sqlite:
            yield
            return
        if not self._writing.acquire(timeout=BUSY_MS / 1000):
            raise StoreUnavailable("another write of this process has held the database for 30 s")
        try:
            yield
        finally:
            self._writing.release()


def open_store(hive: Hive, database_url: str | None = None) -> Store:
    """The store of `hive`, migrated to the newest schema.

    Args:
        hive: its `database_file` is used when `database_url` is None or empty.
        database_url: `postgresql://...`, session mode or direct.

    Raises:
        ConfigError: not a PostgreSQL URL, or the database has a newer schema than we know, or
            belongs to hives with another salt.
        StoreUnavailable: the database cannot be opened or migrated.
    """
    store = unopened_store(hive, database_url)
    try:
        store.migrate()
    except BaseException:
        store.close()
        raise
    return store


def unopened_store(hive: Hive, database_url: str | None = None, kind: type[Store] = Store) -> Store:
    """The same, without looking at the database: for who must go on while it is away.

    Until `Store.migrate` has returned once, anything may be `StoreUnavailable`.

    Raises:
        ConfigError: not a PostgreSQL URL, or none although this hive's database was migrated.
    """
    if not database_url:
        _refuse_migrated(hive)
    from guardrails.fleet import require_same_salt  # noqa: PLC0415 - it works on a store

    engine = postgres_engine(database_url) if database_url else sqlite_engine(hive.database_file)
    return kind(engine, lambda conn: require_same_salt(conn, hive))


def _refuse_migrated(hive: Hive) -> None:
    """An empty database in the place of one that was set aside would know nobody."""
    if was_migrated(hive):
        raise ConfigError(
            f"{hive.path}: its database was migrated to PostgreSQL",
            remedy="Set SWARM_DATABASE_URL (.env) to the database that `swarm migrate` filled.",
        )


def was_migrated(hive: Hive) -> bool:
    """Whether the hive's SQLite database was set aside for PostgreSQL, and none stands there."""
    file = hive.database_file
    return not file.exists() and any(file.parent.glob(f"{file.name}.migrated-*"))


def open_existing(hive: Hive, database_url: str | None, *, wait_s: float) -> Store:
    """The store of `hive` as it stands: nothing is created or migrated, and waits are short.

    For what must be done whatever the state of things is, such as raising a stop.

    Raises:
        ConfigError: not a PostgreSQL URL.
        StoreUnavailable: there is no database file.
    """
    busy_ms = max(1, int(wait_s * 1000))
    if database_url:
        seconds = max(2, int(wait_s))  # what libpq takes
        return Store(postgres_engine(database_url, busy_ms=busy_ms, connect_s=seconds))
    if not hive.database_file.is_file():
        raise StoreUnavailable("database: its file is gone")
    return Store(sqlite_engine(hive.database_file, busy_ms=busy_ms))


def _in_savepoint(conn: Connection, call: Call) -> Outcome[Any]:
    savepoint = conn.begin_nested()
    try:
        with _translated():
            value = call(conn)
    except Exception as error:  # noqa: BLE001  belongs to this call alone, which gets it
        savepoint.rollback()
        return Outcome(error=error)
    savepoint.commit()
    return Outcome(value)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:  # the latter while a connection is prepared
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StoreUnavailable:
    # One line only: what follows in a driver's message can quote a row.
    first = (str(getattr(error, "orig", None) or error).splitlines() or ["no detail"])[0]
    return StoreUnavailable(f"database: {type(error).__name__}: {first}")
