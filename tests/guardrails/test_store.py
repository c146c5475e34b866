"""The store keeps what it committed and says so when it cannot."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, select, text

from guardrails.brakes.stop import StopSwitch
from guardrails.errors import BadInput, ConfigError, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store, insert_if_absent, open_store, sqlite_engine, upsert
from guardrails.store.tables import documents, spent_permits

_ONLY_KEY = Table("only_key", MetaData(), Column("name", String, primary_key=True))


def _permit(name: str) -> dict[str, str]:
    return {"permit_id": name, "action": "send_email", "spent_at": "t", "spent_by": "test"}


def _permits(conn: Connection) -> list[str]:
    return list(conn.execute(select(spent_permits.c.permit_id).order_by("permit_id")).scalars())


def test_a_committed_row_is_read_back(store: Store) -> None:
    with store.transaction() as conn:
        conn.execute(insert(spent_permits).values(_permit("a")))
    with store.read() as conn:
        assert _permits(conn) == ["a"]


def test_an_exception_in_the_block_leaves_nothing_behind(store: Store) -> None:
    def write_and_fail() -> None:
        with store.transaction() as conn:
            conn.execute(insert(spent_permits).values(_permit("a")))
            raise BadInput("no")

    with pytest.raises(BadInput):
        write_and_fail()
    with store.read() as conn:
        assert _permits(conn) == []


def test_a_driver_error_becomes_store_unavailable_and_shows_no_row(store: Store) -> None:
    def write_twice() -> None:
        with store.transaction() as conn:
            for _ in range(2):
                conn.execute(insert(spent_permits).values(_permit("ana-secret")))

    with pytest.raises(StoreUnavailable) as caught:
        write_twice()
    assert "ana-secret" not in caught.value.message


def test_insert_if_absent_tells_the_first_from_the_second(store: Store) -> None:
    with store.transaction() as conn:
        assert insert_if_absent(conn, spent_permits, _permit("a"))
        assert not insert_if_absent(conn, spent_permits, _permit("a"))


def test_of_concurrent_inserts_exactly_one_wins(store: Store) -> None:
    wins: list[bool] = []
    barrier = threading.Barrier(8)

    def compete() -> None:
        barrier.wait()
        with store.transaction() as conn:
            won = insert_if_absent(conn, spent_permits, _permit("a"))
        wins.append(won)

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == [False] * 7 + [True]


def test_upsert_overwrites_only_the_row_with_that_key(store: Store) -> None:
    row = {"digest": "d", "kind": "policy", "created_at": "t", "document": "1"}
    with store.transaction() as conn:
        upsert(conn, documents, row, ("digest",))
        upsert(conn, documents, {**row, "digest": "e"}, ("digest",))
        upsert(conn, documents, {**row, "document": "2"}, ("digest",))
        found = conn.execute(select(documents.c.document).order_by("digest")).scalars().all()
    assert found == ["2", "1"]


def test_upsert_of_a_key_alone_keeps_the_one_row(store: Store) -> None:
    with store.transaction() as conn:
        for _ in range(2):
            conn.execute(text("CREATE TABLE IF NOT EXISTS only_key (name VARCHAR PRIMARY KEY)"))
            upsert(conn, _ONLY_KEY, {"name": "a"}, ("name",))
        assert conn.execute(select(_ONLY_KEY.c.name)).scalars().all() == ["a"]


@pytest.mark.anyio
async def test_run_returns_what_the_function_returned_after_its_commit(store: Store) -> None:
    assert await store.run(lambda conn: insert_if_absent(conn, spent_permits, _permit("a")))
    assert await store.query(_permits) == ["a"]


@pytest.mark.anyio
async def test_a_failing_write_of_a_batch_takes_no_other_with_it(store: Store) -> None:
    def write(number: int, conn: Connection) -> int:
        conn.execute(insert(spent_permits).values(_permit(f"p{number:02}")))
        if number % 5 == 0:
            raise BadInput(f"number {number}")
        if number % 7 == 0:
            conn.execute(insert(spent_permits).values(_permit(f"p{number:02}")))
        return number

    jobs = [store.run(lambda conn, n=n: write(n, conn)) for n in range(1, 31)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    good = [n for n in range(1, 31) if n % 5 and n % 7]
    assert [result for result in results if isinstance(result, int)] == good
    assert {type(result) for result in results} == {int, BadInput, StoreUnavailable}
    assert await store.query(_permits) == [f"p{n:02}" for n in good]


@pytest.mark.anyio
async def test_a_closed_store_refuses_writes(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailable):
        await store.run(_permits)


def test_a_file_that_is_no_database_is_unavailable(hive: Hive) -> None:
    hive.database_file.write_bytes(b"this is not a database file at all" * 50)
    with pytest.raises(StoreUnavailable):
        open_store(hive)


def test_a_database_server_that_is_down_is_unavailable(hive: Hive, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(hive, f"postgresql://nobody@/none?host={tmp_path}")


def test_other_databases_are_refused_by_name(hive: Hive) -> None:
    with pytest.raises(ConfigError, match="mysql"):
        open_store(hive, "mysql://somebody@127.0.0.1/x")


def test_sqlite_commits_are_durable(sqlite_store: Store) -> None:
    with sqlite_store.read() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_database_that_another_process_keeps_locked_is_unavailable(
    hive: Hive, sqlite_store: Store
) -> None:
    sqlite_store.close()
    impatient = Store(sqlite_engine(hive.database_file, busy_ms=20))
    other = sqlite3.connect(hive.database_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"), impatient.transaction():
        pass
    assert not StopSwitch(hive, impatient).state().stopped  # readers do not wait for a writer
    other.execute("ROLLBACK")
    with impatient.transaction() as conn:
        assert insert_if_absent(conn, spent_permits, _permit("a"))
    impatient.close()
    other.close()


def test_a_stop_state_behind_an_exclusive_lock_is_a_stop(hive: Hive, sqlite_store: Store) -> None:
    sqlite_store.close()
    other = sqlite3.connect(hive.database_file, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    impatient = Store(sqlite_engine(hive.database_file, busy_ms=20))
    state = StopSwitch(hive, impatient).state()
    assert state.stopped
    assert "locked" in (state.reason or "")
    impatient.close()
    other.close()


@pytest.mark.postgres
def test_a_connection_lost_is_one_failed_transaction_and_then_mended(
    hive: Hive, postgres_url: str, postgres_admin: Engine
) -> None:
    store = open_store(hive, postgres_url)
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with postgres_admin.connect() as admin:
        admin.execute(kill, {"name": postgres_url.partition("?")[0].rpartition("/")[2]})
    with pytest.raises(StoreUnavailable), store.transaction() as conn:
        insert_if_absent(conn, spent_permits, _permit("a"))
    with store.transaction() as conn:
        assert insert_if_absent(conn, spent_permits, _permit("a"))
    store.close()
