"""Every process may start first; the schema is the same afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.brake_tables import metadata as with_brakes
from guardrails.store.fleet_tables import metadata as with_fleet
from guardrails.store.migrate import migrate, migrations
from guardrails.store.people_tables import metadata as with_people
from guardrails.store.write_tables import metadata

_PARTIAL = "ix_run_items_open"  # the tables' description leaves it to the migration: says why
_OPEN = """
import sys
from pathlib import Path
from guardrails.hive import Hive
from guardrails.store import open_store
store = open_store(Hive.open(Path(sys.argv[1]), sandbox=True), sys.argv[2] or None)
with store.read() as conn:
    print(conn.exec_driver_sql("SELECT COUNT(*) FROM schema_version").scalar())
store.close()
"""


def test_the_migrations_lead_exactly_to_the_tables(hive: Hive, empty_store_url: str | None) -> None:
    # One description, whichever module was imported.
    assert with_brakes is with_people is with_fleet is metadata
    store = open_store(hive, empty_store_url)

    def ours(_object: object, name: str | None, kind: str, *_rest: object) -> bool:
        return (kind, name) not in {("table", "schema_version"), ("index", _PARTIAL)}

    with store.read() as conn:
        context = MigrationContext.configure(conn, opts={"include_object": ours})
        assert compare_metadata(context, metadata) == []
        assert _PARTIAL in {one["name"] for one in inspect(conn).get_indexes("run_items")}
    store.close()


def test_a_new_database_is_in_epoch_0_and_not_stopped(store: Store) -> None:
    with store.read() as conn:
        rows = conn.execute(text("SELECT id, epoch, stopped FROM stop_state")).all()
    assert [tuple(row) for row in rows] == [(1, 0, False)]


def test_migrating_twice_changes_nothing(store: Store) -> None:
    with store.transaction() as conn:
        assert migrate(conn) == len(migrations())
        assert conn.execute(text("SELECT COUNT(*) FROM stop_state")).scalar() == 1


def test_a_newer_schema_is_refused(hive: Hive, store_url: str | None) -> None:
    store = open_store(hive, store_url)
    with store.transaction() as conn:
        conn.execute(text("INSERT INTO schema_version VALUES (999)"))
    store.close()
    with pytest.raises(ConfigError, match="schema 999"):
        open_store(hive, store_url)


@pytest.mark.processes
def test_six_processes_that_start_at_once_agree(hive: Hive, empty_store_url: str | None) -> None:
    command = [sys.executable, "-P", "-c", _OPEN, str(hive.path), empty_store_url or ""]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    results = [(*child.communicate(timeout=60), child.returncode) for child in children]
    assert results == [(f"{len(migrations())}\n", "", 0)] * 6
