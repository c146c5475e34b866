"""The kill switch: file or row, either is enough; what cannot be read is a stop."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from guardrails.brakes.stop import UNKNOWN_EPOCH, StopState, StopSwitch
from guardrails.errors import Stopped
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import stop_state


def write_stop(store: Store, **values: Any) -> None:
    with store.transaction() as conn:
        conn.execute(update(stop_state).values(**values))


@pytest.fixture
def switch(hive: Hive, store: Store) -> StopSwitch:
    return StopSwitch(hive, store)


def test_a_new_hive_is_not_stopped(switch: StopSwitch) -> None:
    assert switch.state() == StopState(stopped=False, reason=None, epoch=0)
    assert switch.require_running().epoch == 0


@pytest.mark.parametrize("content", [b"", b"all hands\nsecond line", b"\xff\x00", b"false"])
def test_the_file_stops_whatever_is_in_it(switch: StopSwitch, hive: Hive, content: bytes) -> None:
    hive.stop_file.write_bytes(content)
    state = switch.state()
    assert state.stopped
    assert state.reason
    assert "second" not in state.reason
    hive.stop_file.unlink()
    assert not switch.state().stopped


def test_a_directory_or_a_dangling_link_of_that_name_stops(switch: StopSwitch, hive: Hive) -> None:
    hive.stop_file.mkdir()
    assert switch.state().stopped
    hive.stop_file.rmdir()
    hive.stop_file.symlink_to("nowhere")
    assert switch.state().stopped


def test_the_row_stops_and_its_epoch_outlives_the_stop(switch: StopSwitch, store: Store) -> None:
    write_stop(store, stopped=True, epoch=4, reason="complaints")
    assert switch.state() == StopState(stopped=True, reason="complaints", epoch=4)
    with pytest.raises(Stopped, match="complaints"):
        switch.require_running()
    write_stop(store, stopped=False)
    assert switch.state() == StopState(stopped=False, reason=None, epoch=4)


def test_a_stop_is_seen_by_another_switch_at_once(
    switch: StopSwitch, hive: Hive, store: Store
) -> None:
    other = StopSwitch(hive, store)
    assert not other.state().stopped
    write_stop(store, stopped=True, epoch=1)
    assert other.state().stopped


def test_a_missing_row_stops(switch: StopSwitch, store: Store) -> None:
    with store.transaction() as conn:
        conn.execute(delete(stop_state))
    assert (switch.state().stopped, switch.state().epoch) == (True, UNKNOWN_EPOCH)


def test_a_database_that_cannot_be_read_stops(switch: StopSwitch, store: Store) -> None:
    with store.transaction() as conn:
        conn.execute(text("DROP TABLE stop_state"))
    state = switch.state()
    assert (state.stopped, state.epoch) == (True, UNKNOWN_EPOCH)
    assert "cannot be read" in (state.reason or "")


def test_the_file_is_named_even_when_the_database_is_down(
    switch: StopSwitch, hive: Hive, store: Store
) -> None:
    hive.stop_file.write_text("pulled by hand")
    with store.transaction() as conn:
        conn.execute(text("DROP TABLE stop_state"))
    assert switch.state().reason == "pulled by hand"


def test_a_hive_that_is_gone_stops(hive: Hive, store: Store) -> None:
    switch = StopSwitch(hive, store)
    moved = hive.path.rename(hive.path.with_name("moved"))
    assert switch.state().stopped
    shutil.rmtree(moved)
    assert switch.state().stopped


def test_a_database_file_that_was_damaged_stops(hive: Hive, sqlite_store: Store) -> None:
    sqlite_store.close()
    for file in hive.path.glob("swarm.db*"):
        file.write_bytes(b"damaged" * 1000)
    assert StopSwitch(hive, sqlite_store).state().stopped
