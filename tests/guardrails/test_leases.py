"""A session lives while its lease runs, and once over it never comes back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select, text, update

from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.leases import (
    Holder,
    LeaseLost,
    WorkerState,
    alive,
    end,
    lives,
    new_session,
    read_workers,
    renew,
    take,
)
from guardrails.store import Store, open_store
from guardrails.store.fleet_tables import workers
from guardrails.store.moments import db_moment

HERE = Holder("0123456789abcdef", "host-a", 7, "1", "live")
THERE = Holder("sandbox-01234567", "host-b", 8, "2", "live")


def living(store: Store) -> list[str]:
    with store.read() as conn:
        return sorted(conn.execute(alive()).scalars())


def state(store: Store, worker: str = HERE.worker) -> WorkerState:
    with store.read() as conn:
        return next(one.state for one in read_workers(conn) if one.worker == worker)


def run_out(store: Store, session: str) -> None:
    gone = update(workers).where(workers.c.session == session)
    with store.transaction() as conn:
        conn.execute(gone.values(lease_until=db_moment(-0.5)))


def test_a_session_is_named_after_its_worker_and_never_twice() -> None:
    names = {new_session(HERE.worker) for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(HERE.worker) and len(name) <= 40 for name in names)
    assert len(new_session("w" * 80)) <= 40


def test_who_takes_a_lease_lives_until_it_ends_in_order(store: Store) -> None:
    with store.transaction() as conn:
        take(conn, HERE, "s1", 60, {"executor": "s0"})
        take(conn, THERE, "s2", 60)
    assert living(store) == ["s1", "s2"]
    with store.transaction() as conn:
        renew(conn, HERE.worker, "s1", 60)
        end(conn, THERE.worker, "s2")
    assert living(store) == ["s1"]
    with store.read() as conn:
        ours, theirs = read_workers(conn)
    assert (ours.state, ours.document, ours.version) == (WorkerState.ALIVE, {"executor": "s0"}, "1")
    assert (theirs.state, theirs.ended_at is not None) == (WorkerState.ENDED, True)


def test_a_lease_that_ran_out_is_lost_for_good(store: Store) -> None:
    with store.transaction() as conn:
        take(conn, HERE, "s1", 60)
    run_out(store, "s1")
    assert living(store) == []
    assert state(store) is WorkerState.SILENT
    with pytest.raises(LeaseLost), store.transaction() as conn:
        renew(conn, HERE.worker, "s1", 60)
    assert living(store) == []


def test_another_queen_of_the_same_hive_ends_the_session_of_the_first(store: Store) -> None:
    with store.transaction() as conn:
        take(conn, HERE, "s1", 60)
        take(conn, HERE, "s2", 60)
    assert living(store) == ["s2"]
    with pytest.raises(LeaseLost), store.transaction() as conn:
        renew(conn, HERE.worker, "s1", 60)
    with store.transaction() as conn:
        end(conn, HERE.worker, "s1")  # the first, woken up, ends nothing of the second
    assert living(store) == ["s2"]


@pytest.mark.postgres
def test_an_earlier_queen_takes_nothing_from_a_later_one_who_begins_at_the_same_moment(
    hive: Hive, migrated_postgres_url: str
) -> None:
    here, there = (open_store(hive, migrated_postgres_url) for _ in range(2))
    with here.transaction() as conn:
        take(conn, HERE, "s1", 60)
    run_out(here, "s1")
    tried = []

    def a_later_one_begins() -> None:
        with there.transaction() as conn:
            conn.execute(text("SET LOCAL lock_timeout = 20"))
            take(conn, HERE, "s2", 60)

    with here.transaction() as conn:

        @event.listens_for(conn, "before_cursor_execute")
        def _she_has_looked(_conn: Any, _cursor: Any, sql: str, *_: Any) -> None:
            if sql.startswith("INSERT"):
                tried.append(sql)
                with pytest.raises(StoreUnavailable):  # she waits
                    a_later_one_begins()

        take(conn, HERE, "s1-anew", 60, after=("s1", "s1-anew"))
    assert tried
    with there.transaction() as conn:
        take(conn, HERE, "s2", 60)
    assert living(here) == ["s2"]
    for store in (here, there):
        store.close()


def test_what_ended_in_order_is_not_renewed(store: Store) -> None:
    with store.transaction() as conn:
        take(conn, HERE, "s1", 60)
        end(conn, HERE.worker, "s1")
    with pytest.raises(LeaseLost), store.transaction() as conn:
        renew(conn, HERE.worker, "s1", 60)


def test_whether_one_lives_can_be_asked_inside_a_statement(store: Store) -> None:
    with store.transaction() as conn:
        take(conn, HERE, "s1", 60)
        assert conn.execute(select(lives("s1"))).scalar()
        assert not conn.execute(select(lives("s0"))).scalar()


def test_a_torn_document_hides_nobody(store: Store) -> None:
    with store.transaction() as conn:
        take(conn, HERE, "s1", 60)
        conn.execute(update(workers).values(document="{"))
    assert state(store) is WorkerState.ALIVE
