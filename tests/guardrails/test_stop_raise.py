"""A stop is raised once however often it is pressed, voids permits from before, is lifted whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from guardrails.audit import AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_file import place
from guardrails.brakes.stop_raise import Raised, lift, raise_row, record_stop
from guardrails.clock import iso
from guardrails.errors import AuditBroken, AuditUnwritable, BadInput, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store, open_existing
from guardrails.store.tables import stop_state

pytestmark = pytest.mark.anyio


@pytest.fixture
def audit(hive: Hive, store: Store, clock: Any) -> Iterator[AuditLog]:
    log = AuditLog(hive, store, clock)
    yield log
    log.close()


def raised(store: Store, clock: Any, who: str = "person:ops") -> Raised:
    with store.transaction() as conn:
        return raise_row(conn, "complaints", who, iso(clock()))


def test_raising_moves_the_epoch_and_pressing_again_does_not(
    hive: Hive, store: Store, clock: Any
) -> None:
    assert raised(store, clock) == Raised(1, 0, already=False, reason="complaints")
    again = raised(store, clock, "person:other")
    assert (again.epoch, again.already, again.reason) == (1, True, "complaints")
    state = StopSwitch(hive, store).state()
    assert (state.stopped, state.epoch, state.reason) == (True, 1, "complaints")


def test_ten_at_once_raise_one_stop(store: Store, clock: Any) -> None:
    found: list[Raised] = []
    together = threading.Barrier(10)

    def one(number: int) -> None:
        together.wait()
        found.append(raised(store, clock, f"person:{number}"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.epoch for each in found] == [1] * 10
    assert [each.already for each in found].count(False) == 1


def test_a_row_that_is_gone_is_made_beyond_every_epoch_there_was(
    hive: Hive, store: Store, clock: Any
) -> None:
    with store.transaction() as conn:
        conn.execute(delete(stop_state))
    assert raised(store, clock).epoch > 1_000_000_000
    assert StopSwitch(hive, store).state().stopped


async def test_lifting_takes_file_and_row_away_and_leaves_the_epoch(
    hive: Hive, store: Store, clock: Any, audit: AuditLog
) -> None:
    place(hive.path, "complaints")
    raised(store, clock)
    assert await lift(hive, store, audit, clock, reason="they were ours", actor="person:a") == 1
    state = StopSwitch(hive, store).state()
    assert (state.stopped, state.epoch) == (False, 1)
    [record] = audit.iter_records()
    assert (record["kind"], record["actor"]) == ("stop", "person:a")
    assert record["body"] == {"stop": "lifted", "reason": "they were ours"}


async def test_a_stop_by_the_file_alone_voids_what_was_permitted_when_it_is_lifted(
    hive: Hive, store: Store, clock: Any, audit: AuditLog
) -> None:
    hive.stop_file.touch()
    assert await lift(hive, store, audit, clock, reason="a drill", actor="person:a") == 1
    assert StopSwitch(hive, store).state().epoch == 1


@pytest.mark.parametrize("reason", ["", "  \n "])
async def test_without_a_reason_it_stays(
    hive: Hive, store: Store, clock: Any, audit: AuditLog, reason: str
) -> None:
    place(hive.path, "complaints")
    with pytest.raises(BadInput):
        await lift(hive, store, audit, clock, reason=reason, actor="person:a")
    assert StopSwitch(hive, store).state().stopped


async def test_what_cannot_be_put_on_record_is_not_lifted(
    hive: Hive, store: Store, clock: Any, audit: AuditLog
) -> None:
    place(hive.path, "complaints")
    raised(store, clock)
    hive.audit_dir.joinpath(f"{clock().date()}.jsonl").mkdir()
    with pytest.raises((AuditUnwritable, AuditBroken)):
        await lift(hive, store, audit, clock, reason="they were ours", actor="person:a")
    assert hive.stop_file.exists()
    assert StopSwitch(hive, store).state().stopped


async def test_an_address_in_a_reason_does_not_reach_the_record(audit: AuditLog) -> None:
    await record_stop(audit, "pressed", "person:a", {"reason": "ana@firm.example complained"})
    [record] = audit.iter_records()
    assert record["body"]["reason"] == "[address] complained"


def test_a_database_that_is_gone_is_not_made_anew(hive: Hive) -> None:
    with pytest.raises(StoreUnavailable, match="gone"):
        open_existing(hive, None, wait_s=1)
    assert not hive.database_file.exists()


def test_a_database_that_somebody_holds_is_waited_for_briefly(
    hive: Hive, sqlite_store: Store, clock: Any
) -> None:
    store = open_existing(hive, None, wait_s=0.05)
    with sqlite_store.transaction(), pytest.raises(StoreUnavailable, match="locked"):
        raised(store, clock)
    assert raised(store, clock).epoch == 1
    store.close()
