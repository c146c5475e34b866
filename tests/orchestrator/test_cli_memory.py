"""`swarm memory` on a terminal and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from guardrails.clock import iso, utc_now
from guardrails.hive import Hive
from guardrails.remembering import Fact, begin, remember
from guardrails.store import Store, open_store
from orchestrator.cli import app
from orchestrator.memory.outbox import next_rows, set_aside
from orchestrator.memory.standing import Standing, write_standing

swarm = CliRunner()


def run(*arguments: str, **environment: str | None) -> tuple[int, str]:
    done = swarm.invoke(app, ["memory", *arguments], env=environment)
    return done.exit_code, done.stdout


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    store = open_store(hive)
    yield hive.path, store
    store.close()


def test_init_prints_sql_that_may_be_pasted_and_says_how() -> None:
    code, said = run("init")
    assert code == 0
    assert said.startswith("-- Supabase's REST cannot make tables.")
    assert "CREATE TABLE IF NOT EXISTS public.swarm_leads" in said
    code, said = run("init", "--json")
    assert json.loads(said)["sql"].startswith("-- The swarm's long-term memory")


@pytest.mark.postgres
def test_init_makes_the_tables_where_the_databases_address_is_given(postgres_url: str) -> None:
    for _ in range(2):
        code, said = run("init", "--database-url", postgres_url, "--json")
        assert (code, json.loads(said)) == (0, {"applied": True})
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as conn:
        assert conn.execute(text("SELECT version FROM swarm_schema")).scalars().all() == [1]
        conn.execute(text("DROP OWNED BY swarm_dashboard"))
        conn.execute(text("DROP ROLE swarm_dashboard"))
    engine.dispose()


def test_init_with_an_address_where_nobody_is_names_no_password() -> None:
    for password, expected in (("s3cret", 1), ("s@cret", 2), ("s%cret", 2), ("s/cret", 1)):
        address = f"postgresql://u:{password}@127.0.0.1:1/x"
        done = swarm.invoke(app, ["memory", "init", "--database-url", address])
        assert done.exit_code == expected
        assert "cret" not in done.output
    assert run("init", "--database-url", "mysql://x")[0] == 2


def test_status_tells_what_waits_what_was_rejected_and_why_nothing_goes(
    opened: tuple[Path, Store],
) -> None:
    hive, store = opened
    assert "no long-term memory here" in run("status", "--hive", str(hive))[1]
    at = iso(utc_now())
    with store.transaction() as conn:
        begin(conn, at, "a" * 16)
        remember(conn, Fact.TOUCH, "A-1", at, {"at": at}, "L-1")
    code, said = run("status", "--hive", str(hive), "--json")
    told = json.loads(said)
    assert (code, told["waiting"], told["oldest"], told["trouble"]) == (0, 1, at, None)
    assert "Nobody sends now (last seen: never)" in run("status", "--hive", str(hive))[1]
    with store.transaction() as conn:
        (row,) = next_rows(conn, utc_now(), 5)
        set_aside(conn, row.outbox_id, "23502: null value", utc_now())
        write_standing(conn, Standing(trouble="HTTP 503", strangers=2), at)
    code, said = run("status", "--hive", str(hive))
    assert code == 1
    for words in ("HTTP 503", "touch A-1: 23502", "another salt"):
        assert words in " ".join(said.split())
    assert "Nobody sends" not in said


def test_a_sandboxs_hive_needs_its_sandbox_to_send_and_to_export(
    opened: tuple[Path, Store],
) -> None:
    hive, _ = opened
    for verb in ("sync", "export"):
        assert run(verb, "--hive", str(hive))[0] == 2
        assert run(verb, "--hive", str(hive), "--twins", "1")[0] == 2


def test_an_export_overwrites_nothing(opened: tuple[Path, Store], tmp_path: Path) -> None:
    there = tmp_path / "there.jsonl"
    there.write_text("mine")
    assert run("export", "--hive", str(opened[0]), "--output", str(there))[0] == 2
    assert there.read_text() == "mine"


def test_sync_says_at_once_and_in_one_document_that_the_process_does_not_start(
    tmp_path: Path,
) -> None:
    hive = Hive.open(tmp_path / "real", sandbox=False)
    code, said = run(
        "sync", "--hive", str(hive.path), "--json",
        SUPABASE_URL="http://project.example", SUPABASE_KEY="sb_secret_x",
    )  # fmt: skip
    error = json.loads(said)["error"]
    assert (code, error["code"]) == (1, "server_unavailable")
    assert "memory.log" in error["remedy"]
