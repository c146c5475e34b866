"""The database as a bystander sees it. Owns: opening it without waiting long or holding it up."""

from __future__ import annotations

from sqlalchemy import Engine, inspect, text

from guardrails.errors import ConfigError, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store, sqlite_engine
from guardrails.store.engine import postgres_engine
from guardrails.store.migrate import migrate, migrations
from guardrails.store.store import was_migrated

_BUSY_MS = 5_000


class Database:
    """The database as somebody sees it who must not wait for it long. Opened anew after trouble.

    Args:
        migrates: bring an older schema up to date, as every other opening does; else it is left.
    """

    def __init__(self, hive: Hive, url: str | None, *, migrates: bool = True) -> None:
        self._hive = hive
        self._url = url
        self._migrates = migrates
        self._store: Store | None = None
        self._file: tuple[int, int] | None = None  # which one is open

    @property
    def never_was(self) -> bool:
        """Whether nothing was ever started here: no database, and no record that misses one."""
        return (
            not self._url and not self._hive.database_file.exists() and not self._hive.has_audit()
        )

    def store(self) -> Store:
        """The open store.

        Raises:
            StoreUnavailable: it cannot be opened, or has a schema that we do not know.
        """
        file = self._present_file()
        if file != self._file:
            self.close()  # another stands in its place: what is open is nobody's any more
        if self._store is None:
            store = self._opened()
            self._store, self._file = store, file
        return self._store

    def _opened(self) -> Store:
        try:
            store = Store(self._engine())
        except ConfigError as error:
            raise StoreUnavailable(error.message) from error
        try:
            self._bring_up_to_date(store)
        except ConfigError as error:
            store.close()
            raise StoreUnavailable(error.message) from error
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Forget the connections."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _present_file(self) -> tuple[int, int] | None:
        """Which file the name leads to now; None for a server."""
        if self._url:
            return None
        try:
            found = self._hive.database_file.stat()
        except OSError as error:
            if was_migrated(self._hive):
                raise StoreUnavailable(
                    "it was migrated to PostgreSQL: set SWARM_DATABASE_URL in .env"
                ) from error
            raise StoreUnavailable(f"swarm.db is gone ({error.strerror})") from error
        return found.st_dev, found.st_ino

    def _bring_up_to_date(self, store: Store) -> None:
        """Without a write when there is nothing to do: somebody may hold the write lock."""
        known = len(migrations())
        with store.read() as conn:
            there = inspect(conn).has_table("schema_version")
            query = text("SELECT COALESCE(MAX(version), 0) FROM schema_version")
            version = conn.execute(query).scalar_one() if there else 0
        if version == known:
            return
        if not self._migrates and version < known:
            raise StoreUnavailable("it has an older schema; `swarm up` brings it up to date")
        with store.transaction() as conn:
            migrate(conn)

    def _engine(self) -> Engine:
        if self._url:
            return postgres_engine(self._url)
        return sqlite_engine(self._hive.database_file, busy_ms=_BUSY_MS)
