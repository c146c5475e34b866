"""Hives that share a database: each has its chain, all read every record, and a decision is one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from guardrails.audit import AuditEntry, AuditLog, audit_id_of
from guardrails.clock import utc_now
from guardrails.errors import AuditBroken
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.tables import audit_heads, audit_index
from tests.conftest import SteppableClock

pytestmark = pytest.mark.postgres


@dataclass
class Machine:
    """A hive of its own over the shared database."""

    hive: Hive
    store: Store
    log: AuditLog

    @property
    def chain(self) -> str:
        return self.hive.chain_id()

    def file(self) -> Path:
        [found] = self.hive.audit_dir.glob("*.jsonl")
        return found


@pytest.fixture
def url(migrated_postgres_url: str) -> str:
    return migrated_postgres_url


@pytest.fixture
def machines(tmp_path: Path, url: str, clock: SteppableClock) -> Iterator[list[Machine]]:
    made = []
    for name in ("a", "b"):
        hive = Hive.open(tmp_path / name, sandbox=True)
        store = open_store(hive, url)
        made.append(Machine(hive, store, AuditLog(hive, store, clock)))
    yield made
    for machine in made:
        machine.log.close()
        machine.store.close()


def entry(decision: str | None, lead: str | None = "L-1", **body: object) -> AuditEntry:
    return AuditEntry("review", "gate", body, decision_id=decision, lead_id=lead)


def indexed(machine: Machine) -> list[int]:
    """Numbers of the rows of its chain."""
    chain = audit_index.c.chain == machine.chain
    with machine.store.read() as conn:
        rows = conn.execute(select(audit_index.c.seq).where(chain).order_by(audit_index.c.seq))
        return [row.seq for row in rows]


@pytest.mark.anyio
async def test_each_machine_reads_what_the_other_recorded(machines: list[Machine]) -> None:
    a, b = machines
    await a.log.record([entry("d-1", n=1)])
    await b.log.record([entry("d-2", n=2)])
    for machine in machines:
        assert machine.log.find("d-1") == machine.log.find(audit_id_of("d-1"))
        assert [machine.log.find(f"d-{n}")["body"]["n"] for n in (1, 2)] == [1, 2]
        assert machine.log.verify().records == 1
    assert a.log.find("d-2")["chain"] == b.chain


@pytest.mark.anyio
async def test_records_are_read_through_everywhere(
    machines: list[Machine], clock: SteppableClock
) -> None:
    a, b = machines
    await a.log.record([entry(None, n=number) for number in range(3)])
    clock.step(days=1)
    await b.log.record([entry(None, n=number) for number in range(250)])
    assert len(list(a.log.iter_records())) == 3
    assert [sum(1 for _ in machine.log.iter_everywhere()) for machine in machines] == [253, 253]
    assert [sum(1 for _ in a.log.iter_everywhere(f"2026-03-1{n}")) for n in (0, 1, 2)] == [
        3,
        250,
        0,
    ]
    with a.store.transaction() as conn:
        conn.execute(update(audit_index).where(audit_index.c.seq == 240).values(line=None))
    with pytest.raises(AuditBroken, match="record 240"):
        list(a.log.iter_everywhere())


@pytest.mark.anyio
async def test_the_latest_record_of_a_lead_is_the_latest_of_all(
    machines: list[Machine], clock: SteppableClock
) -> None:
    a, b = machines
    for number in range(3):
        await a.log.record([entry(None, n=number)])
    clock.step(5)
    await b.log.record([entry(None, n="latest")])  # its number is smaller, its time is not
    assert [machine.log.find("L-1")["body"]["n"] for machine in machines] == ["latest"] * 2


@pytest.mark.anyio
@pytest.mark.parametrize("edit", ["text", "hash", "both", "gone", "another"])
async def test_another_machines_record_is_believed_only_as_it_was_indexed(
    machines: list[Machine], edit: str
) -> None:
    a, b = machines
    await a.log.record([entry("d-1", verdict="block"), entry("d-2", verdict="pass")])
    here = audit_index.c.decision_id == "d-1"
    with b.store.transaction() as conn:
        line = conn.execute(select(audit_index.c.line).where(here)).scalar_one()
        other = conn.execute(
            select(audit_index.c.line).where(audit_index.c.decision_id == "d-2")
        ).scalar_one()
        values = {
            "text": {"line": line.replace("block", "passs")},
            "hash": {"hash": "0" * 64},
            "both": {"line": other, "hash": json.loads(other)["hash"]},
            "gone": {"line": None},
            "another": {"line": other},
        }[edit]
        conn.execute(update(audit_index).where(here).values(values))
    with pytest.raises(AuditBroken):
        b.log.find("d-1")


@pytest.mark.anyio
async def test_the_second_machine_is_given_the_first_ones_record(machines: list[Machine]) -> None:
    a, b = machines
    [first] = await a.log.record([entry("d-1", n=1)])
    [own, again] = await b.log.record([entry("d-2"), entry("d-1", n=2)])
    assert (again.existing, again.hash, own.existing) == (True, first.hash, False)
    assert len(b.file().read_bytes().splitlines()) == 1


def until_somebody_waits(store: Store) -> None:
    """For a lock of this database's."""
    asked = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    while True:
        with store.read() as conn:
            if conn.exec_driver_sql(asked).first():
                return


@pytest.mark.anyio
async def test_whoever_comes_second_waits_and_writes_no_second_record(
    machines: list[Machine], clock: SteppableClock
) -> None:
    a, b = machines
    await b.log.record([entry("d-0")])
    held = a.store.transaction()
    conn = held.__enter__()  # machine A, between its claim and its commit
    row = {"chain": a.chain, "seq": 1, "audit_id": audit_id_of("d-1"), "decision_id": "d-1",
           "day": "2026-03-10", "offset": 0, "hash": "1" * 64}  # fmt: skip
    conn.execute(audit_index.insert().values(row))
    waiting = asyncio.create_task(b.log.record([entry("d-2"), entry("d-1"), entry("d-3")]))
    await asyncio.to_thread(until_somebody_waits, b.store)
    held.__exit__(None, None, None)
    refs = await waiting
    assert [(ref.existing, ref.seq) for ref in refs] == [(False, 2), (True, 1), (False, 3)]
    assert refs[1].hash == "1" * 64
    assert indexed(b) == [1, 2, 3]
    assert b.log.verify().records == 3


_RACER = """
import asyncio, json, random, sys
from pathlib import Path
from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.store import open_store

hive = Hive.open(Path(sys.argv[1]), sandbox=True)
store = open_store(hive, sys.argv[2])
log = AuditLog(hive, store, utc_now)
print("ready", flush=True)
sys.stdin.readline()

async def lane(dice):
    for _ in range(12):
        numbers = dice.sample(range(60), 8)
        refs = await log.record([AuditEntry("review", "x", {}, f"d-{n}") for n in numbers])
        for n, ref in zip(numbers, refs):
            print(json.dumps([n, ref.hash, ref.existing]))

async def main():
    await asyncio.gather(*(lane(random.Random(f"{sys.argv[3]}{n}")) for n in range(3)))

asyncio.run(main())
log.close()
store.close()
"""


@pytest.mark.processes
def test_machines_that_record_the_same_decisions_at_once_record_each_once(
    machines: list[Machine], url: str
) -> None:
    command = [sys.executable, "-P", "-c", _RACER]
    racers = [
        subprocess.Popen([*command, str(machine.hive.path), url, str(number)], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number, machine in enumerate(machines)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    told = [
        json.loads(line)
        for racer in racers
        for line in racer.communicate(timeout=60)[0].splitlines()
    ]
    assert [racer.returncode for racer in racers] == [0, 0]
    hashes: dict[int, set[str]] = {}
    for number, digest, _ in told:
        hashes.setdefault(number, set()).add(digest)
    assert all(len(found) == 1 for found in hashes.values())
    assert Counter(number for number, _, existing in told if not existing) == dict.fromkeys(
        hashes, 1
    )
    assert sum(machine.log.verify().records for machine in machines) == len(hashes)
    for machine in machines:
        assert machine.log.verify().ok
        assert indexed(machine) == list(range(1, machine.log.head().seq + 1))


# Kills itself at a moment of one append, seen from the database's driver.
_VICTIM = """
import asyncio, os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.store import open_store

moment = sys.argv[3]
hive = Hive.open(Path(sys.argv[1]), sandbox=True)
store = open_store(hive, sys.argv[2])
log = AuditLog(hive, store, utc_now)
asyncio.run(log.record([AuditEntry("review", "a", {}, "d-0")]))
seen = set()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(Engine, "before_cursor_execute")
def before(conn, cursor, statement, *_):
    if moment == "before the claim" and statement.startswith("INSERT INTO audit_index"):
        die()

@event.listens_for(Engine, "after_cursor_execute")
def after(conn, cursor, statement, *_):
    seen.update(["moved"] if statement.startswith("UPDATE audit_heads") else [])
    if moment == "before the file" and "moved" in seen:
        die()

@event.listens_for(Engine, "commit")
def commit(conn):
    if moment == "before the commit" and "moved" in seen:
        die()

@event.listens_for(Engine, "checkin")
def checkin(*_):
    if moment == "after the commit" and "moved" in seen:
        die()

asyncio.run(log.record([AuditEntry("review", "a", {"n": 1}, f"d-{n}") for n in (1, 2)]))
"""
_MOMENTS = ["before the claim", "before the file", "before the commit", "after the commit"]


@pytest.mark.anyio
@pytest.mark.kill
@pytest.mark.processes
@pytest.mark.parametrize("moment", _MOMENTS)
async def test_killed_at_any_moment_a_decision_is_recorded_by_whoever_comes_next(
    machines: list[Machine], url: str, moment: str
) -> None:
    a, b = machines
    command = [sys.executable, "-P", "-c", _VICTIM, str(a.hive.path), url, moment]
    victim = await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)
    assert victim.returncode == -9
    in_file = len(a.file().read_bytes().splitlines())
    assert in_file == (3 if moment in _MOMENTS[2:] else 1)
    [taken] = await b.log.record([entry("d-1", n=2)])
    assert taken.existing == (moment == _MOMENTS[3])
    [again, second, third] = await a.log.record([entry("d-1"), entry("d-2"), entry("d-3")])
    assert (again.existing, again.hash) == (True, taken.hash)
    assert second.existing == (moment in _MOMENTS[2:])
    assert third.seq == (4 if moment in _MOMENTS[2:] else 3)
    for machine in machines:
        assert machine.log.find("d-1")["hash"] == taken.hash
        assert machine.log.verify().ok
        assert indexed(machine) == list(range(1, machine.log.head().seq + 1))
    # What was left to nobody keeps its place and has no name.
    other = AuditLog(a.hive, a.store, utc_now)
    await other.record([entry("d-4")])
    other.close()
    assert a.log.verify().ok


@pytest.mark.anyio
async def test_a_machine_that_is_behind_its_files_takes_nobodys_decision(
    machines: list[Machine],
) -> None:
    a, b = machines
    await a.log.record([entry("d-0")])
    with a.store.transaction() as conn:  # the database, restored from before
        conn.execute(audit_index.delete())
        conn.execute(update(audit_heads).values(seq=0, hash="0" * 64))
    [theirs] = await b.log.record([entry("d-0", n=2)])
    again = AuditLog(a.hive, a.store, utc_now)
    [ref] = await again.record([entry("d-0")])
    again.close()
    assert (ref.existing, ref.hash) == (True, theirs.hash)
    assert a.log.verify().records == 1
    assert a.log.find("L-1")["chain"] == b.chain


@pytest.mark.anyio
async def test_a_machine_that_comes_back_and_one_that_took_its_leads_do_not_wait_for_each_other(
    machines: list[Machine],
) -> None:
    a, b = machines
    await a.log.record([entry("d-2"), entry("d-1")])
    await b.log.record([entry("d-0")])
    with a.store.transaction() as conn:  # A died before its commit
        conn.execute(audit_index.delete().where(audit_index.c.chain == a.chain))
        mine = audit_heads.c.chain == a.chain
        conn.execute(update(audit_heads).where(mine).values(seq=0, hash="0" * 64))
    again = AuditLog(a.hive, a.store, utc_now)

    def claimed(conn: Connection, seq: int, decision: str) -> None:
        row = {"chain": b.chain, "seq": seq, "audit_id": audit_id_of(decision), "day": "2026-03-10",
               "decision_id": decision, "offset": 0, "hash": "1" * 64}  # fmt: skip
        conn.execute(audit_index.insert().values(row))

    with b.store.transaction() as conn:  # B, which claims in the order that all claim in
        claimed(conn, 2, "d-1")
        back = asyncio.create_task(again.record([entry("d-3")]))
        await asyncio.to_thread(until_somebody_waits, b.store)
        await asyncio.to_thread(claimed, conn, 3, "d-2")
    [ref] = await back
    again.close()
    assert (ref.existing, ref.seq) == (False, 3)
    assert indexed(a) == [1, 2, 3]
