"""Hives that share a database know the same people, and one of them does what is done alone."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from guardrails.clock import parse, utc_now
from guardrails.errors import ConfigError
from guardrails.fleet import hold, let_go, require_same_salt
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.fleet_tables import duties
from guardrails.store.moments import database_now, db_moment


def test_the_databases_moments_are_written_as_ours(store: Store) -> None:
    with store.read() as conn:
        now, later = conn.execute(select(db_moment())).scalar(), database_now(conn)
        ahead = conn.execute(select(db_moment(90.5))).scalar()
    assert now is not None
    assert ahead is not None
    assert len(now) == len("2026-01-31T08:00:00.000000Z")
    assert now <= later
    assert abs(parse(now) - utc_now()) < timedelta(minutes=1)
    assert timedelta(seconds=90) < parse(ahead) - parse(now) < timedelta(seconds=92)


def test_a_duty_is_held_by_one_until_it_falls_silent(store: Store) -> None:
    with store.transaction() as conn:
        assert hold(conn, "retention", "a", 60)
        assert not hold(conn, "retention", "b", 60)
        assert hold(conn, "retention", "a", 60)  # kept
        assert hold(conn, "reminders", "b", 60)  # another one
        conn.execute(update(duties).where(duties.c.name == "retention").values(until=db_moment(-1)))
        assert hold(conn, "retention", "b", 60)  # taken over
        assert not hold(conn, "retention", "a", 60)
        let_go(conn, "retention", "a")  # not its own any more
        assert not hold(conn, "retention", "a", 60)
        let_go(conn, "retention", "b")
        assert hold(conn, "retention", "a", 60)


def test_of_many_at_once_one_gets_a_duty(store: Store) -> None:
    ready, got = threading.Barrier(4), []

    def reach(holder: str) -> None:
        ready.wait()
        with store.transaction() as conn:
            if hold(conn, "anchor", holder, 60):
                got.append(holder)

    threads = [threading.Thread(target=reach, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_a_hive_with_another_salt_is_refused(tmp_path: Path, store_url: str | None) -> None:
    ours = Hive.open(tmp_path / "ours", sandbox=False)
    store = open_store(ours, store_url)
    other = Hive.open(tmp_path / "other", sandbox=False)
    with store.transaction() as conn:
        require_same_salt(conn, ours)
    with pytest.raises(ConfigError, match="not the salt") as caught, store.transaction() as conn:
        require_same_salt(conn, other)
    assert "Copy keys/salt" in caught.value.remedy
    (other.keys_dir / "salt").write_bytes((ours.keys_dir / "salt").read_bytes())
    with store.transaction() as conn:
        require_same_salt(conn, other)
    store.close()


def test_a_hive_with_another_salt_does_not_open_a_database(
    tmp_path: Path, store_url: str | None
) -> None:
    ours, other = (Hive.open(tmp_path / name, sandbox=False) for name in ("ours", "other"))
    open_store(ours, store_url).close()
    if store_url is None:  # a database that came with a copied directory, without its keys
        other.database_file.write_bytes(ours.database_file.read_bytes())
    with pytest.raises(ConfigError, match="not the salt"):
        open_store(other, store_url)
    open_store(ours, store_url).close()


def test_a_hive_whose_salt_cannot_be_read_opens_nothing(
    tmp_path: Path, store_url: str | None
) -> None:
    hive = Hive.open(tmp_path / "ours", sandbox=False)
    (hive.keys_dir / "salt").write_text("torn")
    with pytest.raises(ConfigError, match="salt"):
        open_store(hive, store_url)


def test_a_hive_that_was_given_the_salt_before_its_first_start_is_of_the_fleet(
    tmp_path: Path, store_url: str | None
) -> None:
    """As docs/fleet.md has a further machine made."""
    ours = Hive.open(tmp_path / "ours", sandbox=False)
    open_store(ours, store_url).close()
    keys = tmp_path / "other" / "keys"
    keys.mkdir(parents=True)
    (keys / "salt").write_bytes((ours.keys_dir / "salt").read_bytes())
    other = Hive.open(tmp_path / "other", sandbox=False)
    assert other.salt() == ours.salt()
    assert other.chain_id() != ours.chain_id()
    open_store(other, store_url).close()
