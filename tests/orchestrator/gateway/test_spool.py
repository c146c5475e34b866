"""The spool: on disk before the answer, in the inbox once, whatever happened in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from guardrails.errors import DiskTrouble, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.people_tables import inbox
from orchestrator.gateway.incoming import Incoming
from orchestrator.gateway.intake import Intake, Taken
from orchestrator.gateway.spool import Spool
from orchestrator.inbox import Source
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio
FIRST = SteppableClock()()


def delivery(number: int, body: str = "{}") -> Incoming:
    return Incoming(f"rb2b:{number}", Source.RB2B, "visitor", body, FIRST)


def ids(store: Store) -> list[str]:
    with store.read() as conn:
        return sorted(conn.execute(select(inbox.c.id)).scalars())


@given(st.text(), st.none() | st.text())
def test_a_line_gives_back_what_it_was_made_of(body: str, junk: str | None) -> None:
    whole = body.encode("utf-8", "replace").decode()
    made = replace(delivery(1, whole), junk=junk and junk.encode("utf-8", "replace").decode())
    line = made.line()
    assert line.count(b"\n") == 1
    assert Incoming.of_line(line) == made
    assert Incoming.of_line(line[: len(line) // 2]) is None


async def test_many_at_once_are_all_there_and_move_in_once(
    hive: Hive, store: Store, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    await asyncio.gather(*(spool.add(delivery(n % 120)) for n in range(200)))
    assert await spool.absorb(store) == 120
    assert len(ids(store)) == 120
    assert (await spool.absorb(store), spool.waiting()) == (0, 0)
    spool.close()


async def test_a_torn_line_is_left_out_and_what_follows_it_is_not(
    sqlite_store: Store, tmp_path: Path
) -> None:
    spool = Spool(tmp_path)
    await spool.add(delivery(1))
    (file,) = tmp_path.glob("spool-*.jsonl")
    with file.open("ab") as torn:  # a crash in the middle of a line that nobody was answered for
        torn.write(delivery(2).line()[:30])
    await spool.add(delivery(3))
    assert await spool.absorb(sqlite_store) == 2
    assert ids(sqlite_store) == ["rb2b:1", "rb2b:3"]
    spool.close()


async def test_what_a_killed_absorber_left_is_absorbed_to_the_same_rows(
    sqlite_store: Store, tmp_path: Path
) -> None:
    directory = tmp_path / "spool"
    spool = Spool(directory)
    left = delivery(1).line() + delivery(2).line()
    await spool.add(delivery(1))
    await spool.absorb(sqlite_store)  # and before it could delete the file it was killed:
    (directory / "absorbing-spool-1-00.jsonl").write_bytes(left)
    assert await spool.absorb(sqlite_store) == 1
    assert ids(sqlite_store) == ["rb2b:1", "rb2b:2"]
    assert list(directory.iterdir()) == []
    spool.close()


async def test_a_file_that_cannot_be_stored_stays_for_the_next_time(
    hive: Hive, tmp_path: Path
) -> None:
    spool, gone = Spool(tmp_path), open_store(hive)
    await spool.add(delivery(1))
    gone.close()
    with pytest.raises(StoreUnavailable):
        await spool.absorb(gone)
    assert spool.waiting() > 0
    back = open_store(hive)
    assert await spool.absorb(back) == 1
    back.close()
    spool.close()


async def test_an_outage_fills_the_spool_and_not_the_disk(hive: Hive, tmp_path: Path) -> None:
    """However often it is tried to move it in meanwhile."""
    spool, gone = Spool(tmp_path, most=1000), open_store(hive)
    gone.close()
    taken = 0
    with suppress(DiskTrouble):
        for number in range(50):
            await spool.add(delivery(number))
            taken += 1
            with pytest.raises(StoreUnavailable):
                await spool.absorb(gone)
    assert 0 < taken < 50
    assert spool.waiting() <= 1000
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    spool.close()


async def test_a_full_spool_and_a_full_disk_say_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most=300)
    await spool.add(delivery(1))
    with pytest.raises(DiskTrouble):
        await spool.add(delivery(2, "x" * 400))
    (tmp_path / "a_file").write_text("")
    nowhere = Spool(tmp_path / "a_file" / "spool")
    with pytest.raises(DiskTrouble):
        await nowhere.add(delivery(3))
    spool.close()
    nowhere.close()


async def test_a_database_that_is_away_is_left_alone_for_a_while(
    hive: Hive, tmp_path: Path
) -> None:
    now = [0.0]
    store = open_store(hive)
    intake = Intake(store, Spool(tmp_path), lambda: now[0], patience_s=1.0, pause_s=5.0)
    assert await intake.take(delivery(1)) is Taken.NEW
    assert await intake.take(delivery(1)) is Taken.KNOWN
    with store.transaction():
        assert await intake.take(delivery(2)) is Taken.SPOOLED
    now[0] = 4.9
    assert await intake.take(delivery(3)) is Taken.SPOOLED
    now[0] = 5.0
    assert await intake.take(delivery(4)) is Taken.NEW
    assert await intake.absorb() >= 1  # the write that was given up may have happened after all
    assert ids(store) == [f"rb2b:{n}" for n in (1, 2, 3, 4)]
    store.close()
    intake.spool.close()
