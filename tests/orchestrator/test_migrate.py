"""From SQLite to PostgreSQL: every row, all or nothing, and nobody goes on with the old file."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, CheckConstraint, Integer, Table, create_engine, inspect, select
from sqlalchemy import text as sql

from guardrails.audit import AuditEntry, AuditLog
from guardrails.audit.compress import compress_days
from guardrails.clock import iso
from guardrails.errors import AuditBroken, ConfigError, NotFound, Refused, StoreUnavailable
from guardrails.fleet import require_same_salt
from guardrails.heartbeats import name_of
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.people_tables import heartbeats, inbox
from guardrails.store.tables import audit_heads, audit_index, stop_state
from orchestrator.engine import Engine
from orchestrator.migrate import Migrated, migrate_to
from orchestrator.migrate_copy import METADATA, our_tables
from tests.conftest import SteppableClock
from tests.processes.swarm import ROOT, environment

pytestmark = pytest.mark.postgres
AUDIT = ("audit_index", "audit_heads")


def made_up(table: Table, number: int) -> dict[str, Any]:
    """A row that its table takes."""
    allowed = {
        found[1]: found[2]
        for check in table.constraints
        if isinstance(check, CheckConstraint)
        and (found := re.match(r"(\w+) in \('(\w+)'", str(check.sqltext)))
    }
    values: dict[str, Any] = {}
    for column in table.columns:
        if column.name in allowed:
            values[column.name] = allowed[column.name]
        elif isinstance(column.type, Boolean):
            values[column.name] = number % 2 == 0
        elif isinstance(column.type, Integer):  # BigInteger too
            values[column.name] = number * 10**6
        elif column.nullable and number % 3 == 0:
            values[column.name] = None
        else:
            values[column.name] = f"é{number:09d}"
    return values


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hive with rows in every table, and an audit of three days, two of them compressed."""
    hive = Hive.open(tmp_path_factory.mktemp("template") / "h", sandbox=True)
    clock = SteppableClock()
    store = open_store(hive)
    with store.transaction() as conn:
        for table in our_tables():
            if table.name not in {*AUDIT, "stop_state", "heartbeats"}:
                rows = [made_up(table, number) for number in range(1, 8)]
                conn.execute(table.insert(), rows)
        conn.execute(stop_state.update().values(epoch=7, stopped=True, reason="a drill"))
    log = AuditLog(hive, store, clock)
    for day in range(3):
        entries = [AuditEntry("review", "gate", {"n": n}, f"d-{day}-{n}") for n in range(40)]
        asyncio.run(log.record(entries))
        clock.step(days=1)
    log.close()
    store.close()
    clock.step(days=30)
    compress_days(hive, clock, keep_days=7)
    return hive.path


@pytest.fixture
def filled(template: Path, tmp_path: Path, clock: SteppableClock) -> Hive:
    """A copy of it, a month later."""
    clock.step(days=33)
    return Hive.existing(shutil.copytree(template, tmp_path / "filled"))


def contents(store: Store) -> dict[str, list[Any]]:
    """Every row of every table, but for the lines that only a shared database holds."""
    told = {}
    with store.read() as conn:
        for table in our_tables():
            columns = [column for column in table.columns if column.name != "line"]
            told[table.name] = sorted(map(repr, conn.execute(select(*columns)).all()))
    return told


def of_hive(hive: Hive) -> dict[str, list[Any]]:
    store = open_store(hive)
    try:
        return contents(store)
    finally:
        store.close()


def tables_at(url: str) -> list[str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def aside(hive: Hive) -> list[Path]:
    return sorted(hive.path.glob("swarm.db.migrated-*"))


def move(hive: Hive, url: str, clock: SteppableClock) -> Migrated:
    return migrate_to(hive, url, clock)


def test_every_row_of_every_table_arrives(
    filled: Hive, postgres_url: str, clock: SteppableClock
) -> None:
    before = of_hive(filled)
    done = move(filled, postgres_url, clock)
    assert {one.table: one.rows for one in done.tables} == {
        name: len(rows) for name, rows in before.items()
    }
    assert {table.name for table in our_tables()} == set(METADATA.tables) - {"fleet"}
    assert (done.rows, done.audit_records) == (sum(map(len, before.values())), 120)
    assert "@" not in done.to or ":***@" in done.to
    store = open_store(filled, postgres_url)
    assert contents(store) == before
    log = AuditLog(filled, store, clock)
    assert log.verify().records == 120
    with store.read() as conn:
        lines = conn.execute(select(audit_index.c.line)).scalars().all()
    assert all(line and line.endswith("\n") for line in lines)
    entries = [AuditEntry("review", "x", {}, name) for name in ("d-1-1", "d-9")]
    [again, new] = asyncio.run(log.record(entries))
    assert (again.existing, new.seq) == (True, 121)
    with store.transaction() as conn:
        require_same_salt(conn, filled)
    log.close()
    store.close()


def test_the_old_file_is_set_aside_and_takes_no_writes(
    filled: Hive, postgres_url: str, clock: SteppableClock
) -> None:
    late = sqlite3.connect(filled.database_file)  # somebody who looks in just now
    late.close()
    done = move(filled, postgres_url, clock)
    [file] = aside(filled)
    assert file.name == done.set_aside
    assert not filled.database_file.exists()
    conn = sqlite3.connect(file)
    assert conn.execute("SELECT COUNT(*) FROM audit_index").fetchone() == (120,)
    for statement in ("DELETE FROM writes", "UPDATE stop_state SET stopped = 0"):
        with pytest.raises(sqlite3.IntegrityError, match="SWARM_DATABASE_URL"):
            conn.execute(statement)
    conn.close()
    with pytest.raises(ConfigError, match="migrated") as caught:
        open_store(filled)  # nobody begins with an empty database by mistake
    assert "SWARM_DATABASE_URL" in caught.value.remedy
    with pytest.raises(NotFound, match="migrated before"):
        move(filled, postgres_url, clock)
    assert not filled.database_file.exists()
    # Whoever puts the old file back has one that takes no writes.
    file.rename(filled.database_file)
    store = open_store(filled)
    log = AuditLog(filled, store, clock)
    with pytest.raises(StoreUnavailable, match="migrated"):
        asyncio.run(log.record([AuditEntry("review", "x")]))
    log.close()
    store.close()


def test_a_migrated_schema_that_nobody_has_used_counts_as_empty(
    filled: Hive, migrated_postgres_url: str, clock: SteppableClock
) -> None:
    assert move(filled, migrated_postgres_url, clock).audit_records == 120


@pytest.mark.parametrize("used", ["row", "stop", "engine"])
def test_a_database_that_was_used_is_refused(
    filled: Hive, migrated_postgres_url: str, clock: SteppableClock, used: str, tmp_path: Path
) -> None:
    before = of_hive(filled)
    store = open_store(Hive.open(tmp_path / "other", sandbox=True), migrated_postgres_url)
    with store.transaction() as conn:
        if used == "row":
            conn.execute(inbox.insert(), [made_up(inbox, 99)])
        elif used == "stop":
            conn.execute(stop_state.update().values(epoch=1))
        else:
            conn.execute(sql("CREATE SCHEMA dbos"))
            conn.execute(sql("CREATE TABLE dbos.workflow_status (id INTEGER)"))
    there = contents(store)
    with pytest.raises(Refused, match=r"used|worked"):
        move(filled, migrated_postgres_url, clock)
    assert contents(store) == there
    store.close()
    assert of_hive(filled) == before


def test_hives_with_another_salt_are_not_joined(
    filled: Hive, postgres_url: str, clock: SteppableClock, tmp_path: Path
) -> None:
    other = Hive.open(tmp_path / "real", sandbox=False)
    store = open_store(other, postgres_url)
    with store.transaction() as conn:
        require_same_salt(conn, other)
    store.close()
    with pytest.raises(ConfigError, match="salt"):
        move(filled, postgres_url, clock)
    assert filled.database_file.exists()


def test_a_queen_at_work_is_named(filled: Hive, postgres_url: str, clock: SteppableClock) -> None:
    queen = Engine(filled, None)
    queen.lock()
    with pytest.raises(ConfigError, match="another swarm"):
        move(filled, postgres_url, clock)
    queen.unlock()
    assert move(filled, postgres_url, clock).rows


def test_whoever_has_the_database_open_is_named(
    filled: Hive, postgres_url: str, clock: SteppableClock
) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM writes');"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(filled.database_file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Refused, match=rf"process {other.pid}\b"):
            move(filled, postgres_url, clock)
    assert move(filled, postgres_url, clock).rows


@pytest.mark.parametrize(
    ("host", "pid", "age_s", "lives"),
    [
        ("elsewhere", 1, 10, True),
        ("elsewhere", 1, 600, False),
        (None, os.getpid(), 600, True),  # hung, and there
        (None, 2**22 + 1, 1, False),  # it was killed a moment ago
    ],
    ids=["beats-elsewhere", "silent-elsewhere", "hung-here", "killed-here"],
)
def test_whoever_beats_is_at_work(
    filled: Hive,
    postgres_url: str,
    clock: SteppableClock,
    host: str | None,
    pid: int,
    age_s: int,
    lives: bool,
) -> None:
    at, name = iso(clock() - timedelta(seconds=age_s)), name_of("gateway", host)
    store = open_store(filled)
    with store.transaction() as conn:
        conn.execute(heartbeats.insert().values(
            name=name, pid=pid, host=name.partition("@")[2], started_at=at, beat_at=at,
            interval_s=5, document="{}",
        ))  # fmt: skip
    store.close()
    if lives:
        with pytest.raises(Refused, match=re.escape(name)):
            move(filled, postgres_url, clock)
        assert tables_at(postgres_url) == []
    else:
        assert move(filled, postgres_url, clock).rows


@pytest.mark.parametrize(("column", "value"), [("note", "a\0b"), ("lead_id", "x" * 81)])
def test_a_row_that_postgresql_does_not_take_is_named_and_nothing_changes(
    filled: Hive, postgres_url: str, clock: SteppableClock, column: str, value: str
) -> None:
    store = open_store(filled)
    with store.transaction() as conn:
        conn.execute(inbox.insert(), [made_up(inbox, 50) | {"id": "rb2b:odd", column: value}])
    store.close()
    before = of_hive(filled)
    with pytest.raises(Refused, match=rf"inbox \(rb2b:odd\).*{column}"):
        move(filled, postgres_url, clock)
    assert tables_at(postgres_url) == []
    assert of_hive(filled) == before


@pytest.mark.parametrize("broken", ["file", "index", "anchor"])
def test_an_audit_that_does_not_hold_goes_nowhere(
    filled: Hive, postgres_url: str, clock: SteppableClock, broken: str
) -> None:
    store = open_store(filled)
    with store.transaction() as conn:
        if broken == "index":
            conn.execute(audit_index.update().where(audit_index.c.seq == 7).values(hash="0" * 64))
        elif broken == "anchor":
            conn.execute(audit_heads.update().values(hash="0" * 64))
        else:
            [file] = filled.audit_dir.glob("*.jsonl")
            file.write_bytes(file.read_bytes().replace(b'"n":3', b'"n":4', 1))
    store.close()
    with pytest.raises(AuditBroken):
        move(filled, postgres_url, clock)
    assert tables_at(postgres_url) == []
    assert filled.database_file.exists()


def test_a_hive_without_a_database_and_a_url_of_another_kind_are_refused(
    filled: Hive, clock: SteppableClock, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="not supported"):
        move(filled, "sqlite:///x.db", clock)
    with pytest.raises(StoreUnavailable):
        move(filled, "postgresql://nobody@127.0.0.1:1/none", clock)
    with pytest.raises(NotFound):
        move(Hive.open(tmp_path / "new", sandbox=True), "postgresql://x/y", clock)
    assert filled.database_file.exists()


# Dies at a moment of the move, seen from the drivers and the file system.
_DYING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import Engine, event
from guardrails.hive import Hive
from orchestrator.migrate import migrate_to

moment, seen = sys.argv[3], []

def at(name):
    seen.append(name)
    if f"{name}:{seen.count(name)}" == moment:
        os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(Engine, "before_cursor_execute")
def before(conn, cursor, statement, *_):
    at(conn.dialect.name + " " + " ".join(statement.split()[:2]))

@event.listens_for(Engine, "commit")
def commit(conn):
    at(conn.dialect.name + " commit")

sys.addaudithook(lambda name, _: at("rename") if name == "os.rename" else None)
migrate_to(Hive.existing(Path(sys.argv[1])), sys.argv[2], lambda: datetime(2026, 5, 1, tzinfo=UTC))
print("done")
"""
_BEFORE = ["postgresql INSERT INTO:30", "postgresql commit:1"]
_AFTER = ["sqlite CREATE TRIGGER:50", "rename:1"]


@pytest.mark.kill
@pytest.mark.processes
@pytest.mark.parametrize("moment", [*_BEFORE, *_AFTER])
def test_killed_anywhere_the_new_database_is_empty_or_whole_and_the_old_one_as_it_was(
    filled: Hive, postgres_url: str, clock: SteppableClock, moment: str
) -> None:
    before = of_hive(filled)
    command = [sys.executable, "-P", "-c", _DYING, str(filled.path), postgres_url, moment]
    died = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
    assert died.returncode == -9, died.stdout + died.stderr
    assert filled.database_file.exists()
    assert of_hive(filled) == before
    if moment in _BEFORE:
        assert tables_at(postgres_url) == []
    else:
        store = open_store(filled, postgres_url)
        assert contents(store) == before
        store.close()
    assert move(filled, postgres_url, clock).audit_records == 120  # again, to the end
    assert [file.name.endswith("Z") for file in aside(filled)] == [True]


def test_after_a_kill_a_new_database_that_was_used_meanwhile_is_not_taken_for_whole(
    filled: Hive, postgres_url: str, clock: SteppableClock
) -> None:
    command = [sys.executable, "-P", "-c", _DYING, str(filled.path), postgres_url, "rename:1"]
    subprocess.run(command, check=False, timeout=60, capture_output=True)
    store = open_store(filled, postgres_url)
    with store.transaction() as conn:
        conn.execute(inbox.insert(), [made_up(inbox, 99)])
    store.close()
    with pytest.raises(Refused, match="used"):
        move(filled, postgres_url, clock)
    assert filled.database_file.exists()


@pytest.fixture
def command_line(filled: Hive) -> list[str]:
    return [sys.executable, "-P", "-m", "orchestrator.cli", "migrate", "--hive", str(filled.path)]


def test_the_command_tells_what_to_set_and_shows_no_password(
    command_line: list[str], filled: Hive, postgres_url: str
) -> None:
    url = postgres_url.replace("://postgres@", "://postgres:very-secret@")
    done = subprocess.run(
        [*command_line, "--to", "-"], input=url + "\n", env=environment(), cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "SWARM_DATABASE_URL=postgresql://" in done.stdout
    assert "audit_index" in done.stdout
    assert "very-secret" not in done.stdout + done.stderr
    assert aside(filled)
