"""The project's SQL on a real PostgreSQL: who may do what; and the twin has the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from guardrails.config import config_path
from orchestrator.memory.init import apply_sql
from orchestrator.memory.rows import SHELVES
from servers.sandbox.twin_supabase_tables import declared

SQL = config_path("supabase/001_memory.sql").read_text(encoding="utf-8")
ROLES = ("anon", "authenticated", "service_role")
FACTS = sorted(shelf.table for shelf in SHELVES.values())
TOUCH = (
    "INSERT INTO swarm_touches (key, origin, sandbox, lead_id, run_id, audit_id, at) "
    "VALUES (:key, 'o', true, :lead, 'R', 'A', :at)"
)


@pytest.fixture(scope="module")
def project(postgres_admin: Engine) -> Iterator[Engine]:
    """A database as a Supabase project has it: three roles, everything granted by default."""
    with postgres_admin.connect() as conn:
        conn.execute(text("CREATE DATABASE supabase_project TEMPLATE template0"))
        for role in ROLES:
            conn.execute(text(f"CREATE ROLE {role} NOLOGIN NOINHERIT"))
        conn.execute(text("ALTER ROLE service_role BYPASSRLS"))
    url = postgres_admin.url.set(database="supabase_project")
    engine = create_engine(url, poolclass=NullPool)
    everything = f"GRANT ALL ON TABLES TO {', '.join(ROLES)}"
    with engine.begin() as conn:
        conn.execute(text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public {everything}"))
        conn.execute(text(f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}"))
        for _ in range(2):  # it may be run again
            apply_sql(conn.connection, SQL)
    yield engine
    engine.dispose()
    with postgres_admin.connect() as conn:
        conn.execute(text("DROP DATABASE supabase_project WITH (FORCE)"))
        for role in (*ROLES, "swarm_dashboard"):
            conn.execute(text(f"DROP ROLE {role}"))


@pytest.fixture
def conn(project: Engine) -> Iterator[Connection]:
    with project.connect() as opened:
        yield opened
        opened.rollback()


def be(conn: Connection, role: str) -> None:
    conn.execute(text(f"SET LOCAL ROLE {role}"))


def refused(conn: Connection, statement: str, **values: Any) -> str:
    with pytest.raises(DBAPIError) as caught, conn.begin_nested():
        conn.execute(text(statement), values)
    return str(getattr(caught.value.orig, "sqlstate", ""))


def test_the_tables_are_those_that_rows_are_made_for(conn: Connection) -> None:
    query = text(
        "SELECT table_name, column_name, udt_name, is_nullable, column_default IS NOT NULL given "
        "FROM information_schema.columns WHERE table_schema = 'public' "
        "AND table_name LIKE 'swarm%' AND table_name <> 'swarm_history'"
    )
    names = {"int4": "integer", "int8": "bigint", "bool": "boolean"}
    real: dict[str, set[tuple[str, str, bool, bool]]] = {}
    for row in conn.execute(query):
        kind = names.get(row.udt_name, row.udt_name)
        column = (row.column_name, kind, row.is_nullable == "NO", row.given)
        real.setdefault(row.table_name, set()).add(column)
    twin = {
        name: {(one.name, one.type, one.not_null, one.default) for one in table.columns.values()}
        for name, table in declared().items()
    }
    assert real == twin
    for shelf in SHELVES.values():
        mine = {"key", "origin", "sandbox", *shelf.columns}
        assert {name for name, *_ in real[shelf.table]} == mine | {"recorded_at"}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("table", [*FACTS, "swarm_databases", "swarm_schema", "swarm_history"])
def test_the_public_may_neither_read_nor_write(conn: Connection, role: str, table: str) -> None:
    be(conn, role)
    assert refused(conn, f"SELECT * FROM {table}") == "42501"
    if table != "swarm_history":
        assert refused(conn, f"DELETE FROM {table} WHERE true") == "42501"


def test_row_security_alone_hides_everything_without_an_error(conn: Connection) -> None:
    """What a grant by mistake would show: nothing, silently."""
    conn.execute(text(TOUCH), {"key": "k", "lead": "L-1", "at": "2026-03-10T14:00:00Z"})
    conn.execute(text("GRANT SELECT, INSERT, UPDATE, DELETE ON swarm_touches TO anon"))
    be(conn, "anon")
    assert conn.execute(text("SELECT * FROM swarm_touches")).all() == []
    assert conn.execute(text("DELETE FROM swarm_touches WHERE true")).rowcount == 0
    assert refused(conn, TOUCH, key="l", lead="L-1", at="2026-03-10T14:00:00Z") == "42501"


def test_the_service_role_reads_and_writes_everything(conn: Connection) -> None:
    be(conn, "service_role")
    conn.execute(text(TOUCH), {"key": "k", "lead": "L-1", "at": "2026-03-10T14:00:00Z"})
    row = conn.execute(text("SELECT who, what, weight FROM swarm_history")).one()
    assert tuple(row) == ("L-1", "touch", 2)
    assert conn.execute(text("DELETE FROM swarm_touches WHERE lead_id = 'L-1'")).rowcount == 1


def test_a_dashboard_reads_what_tells_of_leads_and_nothing_else(conn: Connection) -> None:
    conn.execute(text(TOUCH), {"key": "k", "lead": "L-1", "at": "2026-03-10T14:00:00Z"})
    be(conn, "swarm_dashboard")
    assert len(conn.execute(text("SELECT * FROM swarm_touches")).all()) == 1
    for table in ("swarm_leads", "swarm_decisions", "swarm_outcomes", "swarm_heads"):
        assert conn.execute(text(f"SELECT * FROM {table}")).all() == []
    for table in ("swarm_lessons", "swarm_suppressions", "swarm_erasures", "swarm_databases"):
        assert refused(conn, f"SELECT * FROM {table}") == "42501"
    assert refused(conn, "DELETE FROM swarm_touches WHERE true") == "42501"


def test_a_key_is_there_once_and_an_upsert_leaves_it_or_replaces_it(conn: Connection) -> None:
    be(conn, "service_role")
    values = {"key": "k", "lead": "L-1", "at": "2026-03-10T14:00:00Z"}
    conn.execute(text(TOUCH), values)
    assert refused(conn, TOUCH, **values) == "23505"
    ignored = conn.execute(text(f"{TOUCH} ON CONFLICT (key) DO NOTHING RETURNING key"), values)
    assert ignored.all() == []


def test_who_was_forgotten_does_not_come_in_again(conn: Connection) -> None:
    be(conn, "service_role")
    conn.execute(text(
        "INSERT INTO swarm_erasures (key, origin, sandbox, lead_id, at) "
        "VALUES ('e', 'o', true, 'L-1', '2026-03-10T15:00:00Z')"
    ))  # fmt: skip
    for key, lead, at in (("a", "L-1", "14"), ("b", "L-1", "16"), ("c", "L-2", "14")):
        conn.execute(text(TOUCH), {"key": key, "lead": lead, "at": f"2026-03-10T{at}:00:00Z"})
    kept = conn.execute(text("SELECT key FROM swarm_touches ORDER BY key")).scalars().all()
    assert kept == ["b", "c"]
    lesson = (
        "INSERT INTO swarm_lessons (key, origin, sandbox, lead_id, event, mac, at) VALUES "
        "('l', 'o', true, 'L-1', CAST(:event AS jsonb), 'm', '2026-03-10T14:00:00Z') "
        "ON CONFLICT (key) DO UPDATE SET event = excluded.event RETURNING key"
    )
    kept_out = conn.execute(text(lesson), {"event": '{"text": "their words"}'})
    assert kept_out.all() == []  # by which whoever sends it knows
    assert conn.execute(text("SELECT count(*) FROM swarm_lessons")).scalar_one() == 0
    conn.execute(text(lesson), {"event": '{"text": ""}'})
    conn.execute(text(lesson), {"event": '{"text": "their words"}'})
    assert conn.execute(text("SELECT event ->> 'text' FROM swarm_lessons")).scalars().all() == [""]


def test_a_lesson_that_is_written_anew_is_new_to_who_reads_by_time(project: Engine) -> None:
    lesson = text(
        "INSERT INTO swarm_lessons (key, origin, sandbox, event, mac, at) VALUES "
        "('n', 'o', true, CAST(:event AS jsonb), 'm', '2026-03-10T14:00:00Z') "
        "ON CONFLICT (key) DO UPDATE SET event = excluded.event RETURNING recorded_at"
    )
    with project.begin() as conn:
        conn.execute(text("SET LOCAL ROLE service_role"))
        first = conn.execute(lesson, {"event": '{"text": "a"}'}).scalar_one()
        second = conn.execute(lesson, {"event": '{"text": ""}'}).scalar_one()
    assert second > first
