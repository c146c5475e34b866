"""Chains note each other's heads: whoever rewrites one in the database is found out by another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from guardrails.audit import AuditEntry
from guardrails.audit.anchors import HeadNotes
from guardrails.audit.lines import fill_lines
from guardrails.audit.log import AuditLog
from guardrails.audit.records import GENESIS, sealed
from guardrails.audit.verify_fleet import verify_fleet
from guardrails.errors import AuditBroken
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.tables import audit_heads, audit_index
from tests.conftest import SteppableClock

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


class Machine:
    """A hive of its own over the shared database."""

    def __init__(self, path: Path, url: str, clock: SteppableClock) -> None:
        self.hive = Hive.open(path, sandbox=True)
        self.store: Store = open_store(self.hive, url)
        self.log = AuditLog(self.hive, self.store, clock)
        self.notes = HeadNotes(self.hive, self.store, self.log)
        self.chain = self.hive.chain_id()

    async def decide(self, number: int = 1) -> None:
        await self.log.record([AuditEntry("review", "gate", {"verdict": "block"})] * number)

    def records(self) -> list[dict[str, object]]:
        with self.store.read() as conn:
            lines = conn.execute(
                select(audit_index.c.line)
                .where(audit_index.c.chain == self.chain)
                .order_by(audit_index.c.seq)
            ).scalars()
            return [json.loads(line) for line in lines]

    def problem(self) -> str | None:
        """What `swarm audit verify` names on this machine."""
        own = self.log.verify()
        fleet = verify_fleet(self.hive, self.store)
        assert fleet.ok == (fleet.problem is None)
        return own.problem or fleet.problem

    def close(self) -> None:
        self.log.close()
        self.store.close()


@pytest.fixture
def machines(
    tmp_path: Path, migrated_postgres_url: str, clock: SteppableClock
) -> Iterator[list[Machine]]:
    made = [Machine(tmp_path / name, migrated_postgres_url, clock) for name in ("a", "b", "c")]
    yield made
    for machine in made:
        machine.close()


@pytest.fixture
async def noted(machines: list[Machine]) -> list[Machine]:
    """Three chains that have noted each other."""
    for machine in machines:
        await machine.decide(5)
    for machine in machines:
        await machine.notes.note()
    for machine in machines:
        await machine.decide(2)
    return machines


def rewrite(
    victim: Machine, change: Callable[[list[dict[str, object]]], object], *, files: bool = False
) -> None:
    """Whoever can write the database rewrites a whole chain, its anchor too; and its files."""
    records = victim.records()
    change(records)
    prev, content, rows = GENESIS, b"", []
    for seq, record in enumerate(records, 1):
        record = {key: value for key, value in record.items() if key != "hash"}
        record, line = sealed(record | {"prev": prev, "seq": seq})
        rows.append({"line": line.decode(), "hash": record["hash"], "offset": len(content)})
        content += line
        prev = record["hash"]
    mine = audit_index.c.chain == victim.chain
    with victim.store.transaction() as conn:
        conn.execute(delete(audit_index).where(mine, audit_index.c.seq > len(rows)))
        for seq, row in enumerate(rows, 1):
            conn.execute(update(audit_index).where(mine, audit_index.c.seq == seq).values(row))
        head = update(audit_heads).where(audit_heads.c.chain == victim.chain)
        conn.execute(head.values(seq=len(rows), hash=prev))
    if files:
        [file] = victim.hive.audit_dir.glob("*.jsonl")
        file.write_bytes(content)


async def test_what_was_noted_holds_on_every_machine(noted: list[Machine]) -> None:
    for machine in noted:
        report = verify_fleet(machine.hive, machine.store)
        assert (report.ok, report.notes) == (True, 6)
        assert report.chains[0].chain == machine.chain
        assert [chain.records for chain in report.chains] == [8, 8, 8]


async def test_only_what_moved_is_noted_and_notes_alone_are_no_move(
    noted: list[Machine],
) -> None:
    a, b, c = noted
    await b.decide()
    assert await a.notes.note() == 2  # both had decided since
    assert [await machine.notes.note() for machine in noted] == [0, 2, 2]
    assert [await machine.notes.note() for machine in noted] == [0, 0, 0]
    await c.decide()
    assert [await machine.notes.note() for machine in noted] == [1, 1, 0]
    assert [await machine.notes.note() for machine in noted] == [0, 0, 0]
    await a.decide(60)
    assert await b.notes.note() == 1
    assert a.problem() is None


async def test_a_decision_that_the_rows_hide_as_if_another_machine_had_taken_it_is_named(
    noted: list[Machine],
) -> None:
    a, b, _ = noted
    hidden = {"audit_id": f"{b.records()[2]['audit_id']}~{b.chain}", "decision_id": None}
    here = (audit_index.c.chain == b.chain, audit_index.c.seq == 3)
    with b.store.transaction() as conn:
        conn.execute(update(audit_index).where(*here).values(**hidden, lead_id=None))
    assert "found by no name" in (a.problem() or "")
    assert "found by no name" in (b.problem() or "")


async def test_a_rewritten_chain_is_found_out_by_who_noted_it(noted: list[Machine]) -> None:
    a, b, c = noted
    rewrite(b, lambda records: records[2].update(body={"verdict": "pass"}))
    by = f"when chain {a.chain} noted it in its record 6"
    assert a.problem() == f"chain {b.chain}, record 5: was another one {by}: rewritten"
    assert f"chain {b.chain}, record" in str(c.problem())
    assert "rewritten" in str(b.problem())  # its own files say so


async def test_whoever_rewrites_their_own_files_too_is_found_out_by_the_others(
    noted: list[Machine],
) -> None:
    b = noted[1]
    rewrite(b, lambda records: records[0].update(body={"verdict": "pass"}), files=True)
    assert b.log.verify().ok  # files, index and anchor agree with each other
    for machine in noted:
        assert f"chain {b.chain}, record" in str(machine.problem())
        assert "noted" in str(machine.problem())


async def test_a_chain_that_was_cut_off_is_found_out(noted: list[Machine]) -> None:
    a, b, c = noted
    rewrite(b, lambda records: records.__delitem__(slice(3, None)), files=True)
    assert "cut off" in str(a.problem())
    assert "cut off" in str(c.problem())


async def test_a_chain_that_is_gone_as_a_whole_is_found_out(noted: list[Machine]) -> None:
    a, b, _ = noted
    with a.store.transaction() as conn:
        conn.execute(delete(audit_index).where(audit_index.c.chain == b.chain))
        conn.execute(delete(audit_heads).where(audit_heads.c.chain == b.chain))
    assert f"chain {b.chain}" in str(a.problem())


async def test_a_chain_whose_anchor_is_gone_is_found_out(noted: list[Machine]) -> None:
    a, b, _ = noted
    with a.store.transaction() as conn:
        conn.execute(delete(audit_heads).where(audit_heads.c.chain == b.chain))
    assert a.problem() == f"chain {b.chain}, record 1: no anchor seals it"


async def test_a_row_without_a_record_is_found_out(noted: list[Machine]) -> None:
    a, b, _ = noted
    row = {"chain": b.chain, "seq": 99, "audit_id": "A-99", "decision_id": "d-99",
           "day": "2026-03-10", "offset": 0, "hash": "0" * 64}  # fmt: skip
    with a.store.transaction() as conn:  # whoever decides d-99 would be told that it is on record
        conn.execute(audit_index.insert().values(row))
    for machine in noted:
        assert machine.problem() == f"chain {b.chain}, record 99: no anchor seals it"


@pytest.mark.parametrize("what", ["line", "hash", "row", "anchor", "unread", "decision", "lead"])
async def test_what_does_not_fit_within_another_chain_is_named(
    noted: list[Machine], what: str
) -> None:
    a, b, _ = noted
    there = (audit_index.c.chain == b.chain) & (audit_index.c.seq == 4)
    with a.store.transaction() as conn:
        line = conn.execute(select(audit_index.c.line).where(there)).scalar_one()
        change = {
            "line": update(audit_index).where(there).values(line=line.replace("block", "passd")),
            "hash": update(audit_index).where(there).values(hash="0" * 64),
            "row": delete(audit_index).where(there),
            "anchor": update(audit_heads).where(audit_heads.c.chain == b.chain).values(seq=3),
            "unread": update(audit_index).where(there).values(line=None),
            "decision": update(audit_index).where(there).values(decision_id="d-99"),
            "lead": update(audit_index).where(there).values(lead_id="L-99"),
        }[what]
        conn.execute(change)
    report = verify_fleet(a.hive, a.store)
    assert str(report.problem).startswith(f"chain {b.chain}, record 4: ")
    assert [chain.chain for chain in report.chains if chain.problem] == [b.chain]


async def test_a_forged_note_is_no_note(noted: list[Machine]) -> None:
    a, b, _ = noted
    await b.log.record(
        [AuditEntry("anchor", "audit", {"heads": {a.chain: {"seq": 2, "hash": "x"}}})]
    )
    assert f"chain {a.chain}, record 2: was another one" in str(a.problem())
    rewrite(b, lambda records: records[-1].update(body={"heads": []}))
    assert "holds none" in str(a.problem())


async def test_lines_from_before_are_filled_in_from_the_files(noted: list[Machine]) -> None:
    a, b, _ = noted
    with a.store.transaction() as conn:
        conn.execute(update(audit_index).values(line=None))
    assert "own machine's files" in str(a.problem())
    assert [fill_lines(machine.hive, machine.store, limit=5) for machine in noted] == [5, 5, 5]
    assert [fill_lines(machine.hive, machine.store) for machine in noted] == [3, 3, 3]
    assert [fill_lines(machine.hive, machine.store) for machine in noted] == [0, 0, 0]
    assert a.problem() is None
    other = update(audit_index).where(audit_index.c.chain == a.chain, audit_index.c.seq == 2)
    with a.store.transaction() as conn:
        conn.execute(other.values(line=None, hash="0" * 64))
    with pytest.raises(AuditBroken, match="not the one that was indexed"):
        fill_lines(a.hive, a.store)
    [file] = b.hive.audit_dir.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"block", b"passd"))
    with b.store.transaction() as conn:
        conn.execute(update(audit_index).where(audit_index.c.chain == b.chain).values(line=None))
    with pytest.raises(AuditBroken):
        fill_lines(b.hive, b.store)


async def test_at_an_orderly_end_a_lost_database_holds_nothing_up(machines: list[Machine]) -> None:
    a, b, _ = machines
    await b.decide()
    with a.store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE audit_heads RENAME TO away")
    await a.notes.note_last()
    with a.store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE away RENAME TO audit_heads")
    await a.notes.note_last()
    assert a.records()[-1]["kind"] == "anchor"
