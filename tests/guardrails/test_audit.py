"""Recording: on disk before it returns, once per decision, and never an address in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, text, update

from guardrails.audit import AuditEntry, AuditLog, audit_id_of, without_addresses
from guardrails.errors import AuditBroken, AuditUnwritable, BadInput, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.tables import audit_heads, audit_index

pytestmark = pytest.mark.anyio


@pytest.fixture
def log(hive: Hive, store: Store, clock: Callable[[], object]) -> Iterator[AuditLog]:
    opened = AuditLog(hive, store, clock)
    yield opened
    opened.close()


def entry(decision: str | None = None, lead: str = "L-1", **body: object) -> AuditEntry:
    return AuditEntry("review", "gate", body, decision_id=decision, lead_id=lead, run_id="R-1")


def lines(hive: Hive) -> list[dict[str, object]]:
    files = sorted(hive.audit_dir.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


async def test_a_record_is_on_disk_when_record_returns(log: AuditLog, hive: Hive) -> None:
    [ref] = await log.record([entry("d-1", verdict="pass")])
    [written] = lines(hive)
    assert (written["audit_id"], written["hash"], written["seq"]) == (ref.audit_id, ref.hash, 1)
    assert written["body"] == {"verdict": "pass"}
    assert written["at"] == "2026-03-10T14:00:00.000000Z"
    assert (hive.audit_dir / "2026-03-10.jsonl").stat().st_mode & 0o777 == 0o600


async def test_each_record_names_the_hash_of_the_one_before(log: AuditLog, hive: Hive) -> None:
    await log.record([entry(), entry()])
    await log.record([entry()])
    written = lines(hive)
    assert [item["prev"] for item in written] == ["0" * 64, *(i["hash"] for i in written[:2])]
    assert log.verify().ok
    assert log.head().hash == written[-1]["hash"]


async def test_a_decision_is_recorded_once_however_often_it_is_retried(
    log: AuditLog, hive: Hive
) -> None:
    [first] = await log.record([entry("d-1", n=1)])
    [again, other] = await log.record([entry("d-1", n=2), entry("d-2")])
    assert (again.audit_id, again.hash, again.existing) == (first.audit_id, first.hash, True)
    assert (first.audit_id, first.existing, other.existing) == (audit_id_of("d-1"), False, False)
    assert len(lines(hive)) == 2


async def test_concurrent_records_of_one_decision_write_one(log: AuditLog, hive: Hive) -> None:
    calls = [log.record([entry("d-1"), entry(f"e-{n}")]) for n in range(24)]
    refs = await asyncio.gather(*calls)
    assert len({pair[0].hash for pair in refs}) == 1
    assert [pair[0].existing for pair in refs].count(False) == 1
    assert len(lines(hive)) == 25
    assert log.verify().records == 25


async def test_a_refused_entry_takes_no_concurrent_one_with_it(log: AuditLog) -> None:
    calls = [log.record([entry(f"d-{n}", who="ana@firm.example" if n == 3 else "x")])
             for n in range(8)]  # fmt: skip
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, BadInput)] == [3]
    assert log.verify().records == 7


@pytest.mark.parametrize(
    "body",
    [
        {"to": "ana@firm.example"},
        {"deep": [{"er": "write to Ana.Ruiz+x@mail.firm.example today"}]},
        {"ana@firm.example": 1},
        {"idn": "ana@bücher.example"},
        {1: "a key that is no string"},
        {"nan": float("nan")},
        {"lone": "\ud800"},
        {"object": object()},
        {"big": "x" * (4 * 1024 * 1024)},
    ],
)
async def test_bodies_that_may_not_be_recorded_are_refused(
    log: AuditLog, hive: Hive, body: dict[str, object]
) -> None:
    with pytest.raises(BadInput):
        await log.record([entry("d-0"), AuditEntry("review", "gate", body)])
    assert lines(hive) == []


async def test_a_handle_or_a_version_pin_is_no_address(log: AuditLog) -> None:
    await log.record([entry(url="https://social.example/@ana.ruiz", pin="bank@3", at="9 @ noon")])
    assert log.verify().ok


def test_without_addresses_masks_them_at_any_depth() -> None:
    masked = without_addresses({"a": ("mail ana@firm.example!", 3), "b@firm.example": None})
    assert masked == {"a": ["mail [address]!", 3], "[address]": None}


async def test_find_knows_audit_decision_and_lead_ids(log: AuditLog) -> None:
    await log.record([entry("d-1", n=1), entry("d-2", n=2), entry(None, "L-2", n=3)])
    assert [log.find(name)["body"]["n"] for name in (audit_id_of("d-1"), "d-1", "L-1", "L-2")] == [
        1, 1, 2, 3,
    ]  # fmt: skip
    assert log.find("L-unknown") is None


async def test_find_refuses_a_record_that_was_edited(log: AuditLog, hive: Hive) -> None:
    await log.record([entry("d-1", verdict="block")])
    file = hive.audit_dir / "2026-03-10.jsonl"
    file.write_bytes(file.read_bytes().replace(b"block", b"passd"))
    with pytest.raises(AuditBroken, match="hash"):
        log.find("d-1")


async def test_find_refuses_a_record_that_the_index_gives_for_another(
    log: AuditLog, store: Store
) -> None:
    await log.record([entry("d-1", verdict="block"), entry("d-2", verdict="pass")])
    with store.transaction() as conn:
        for old, new in (("d-1", "d-3"), ("d-2", "d-1")):
            here = audit_index.c.decision_id == old
            conn.execute(update(audit_index).where(here).values(decision_id=new))
    with pytest.raises(AuditBroken, match="and is not"):
        log.find("d-1")


async def test_a_new_day_has_a_new_file_in_the_same_chain(log: AuditLog, hive: Hive, clock) -> None:
    await log.record([entry()])
    clock.step(days=1)
    await log.record([entry()])
    assert sorted(file.name for file in hive.audit_dir.glob("*.jsonl")) == [
        "2026-03-10.jsonl",
        "2026-03-11.jsonl",
    ]
    assert [record["seq"] for record in log.iter_records("2026-03-11")] == [2]
    assert [record["seq"] for record in log.iter_records()] == [1, 2]
    assert list(log.iter_records("1999-01-01")) == []
    assert log.verify().records == 2


async def test_a_clock_that_goes_back_keeps_the_order_of_files(
    log: AuditLog, hive: Hive, clock
) -> None:
    await log.record([entry()])
    clock.now -= timedelta(days=3)
    await log.record([entry()])
    assert [file.name for file in hive.audit_dir.glob("*.jsonl")] == ["2026-03-10.jsonl"]
    assert log.verify().ok


async def test_two_logs_on_one_hive_write_one_chain(
    log: AuditLog, hive: Hive, store: Store, clock
) -> None:
    other = AuditLog(hive, store, clock)
    for number in range(3):
        await log.record([entry(f"a-{number}")])
        await other.record([entry(f"b-{number}")])
    [ref] = await other.record([entry("a-0")])
    other.close()
    assert ref.existing
    assert log.verify().records == 6


async def test_without_a_database_nothing_is_recorded(log: AuditLog, hive: Hive, store) -> None:
    await log.record([entry()])
    with store.transaction() as conn:
        conn.execute(text("ALTER TABLE audit_index RENAME TO hidden"))
    with pytest.raises(StoreUnavailable):
        await log.record([entry("d-1")])
    with store.transaction() as conn:
        conn.execute(text("ALTER TABLE hidden RENAME TO audit_index"))
    [ref] = await log.record([entry("d-1")])
    assert (ref.existing, log.verify().records) == (False, 2)


async def test_a_commit_that_fails_after_the_fsync_raises_and_doubles_nothing(
    log: AuditLog, hive: Hive, store: Store
) -> None:
    await log.record([entry("d-0")])
    with store.transaction() as conn:
        for statement in _COMMITS_FAIL[store.dialect]:
            conn.execute(text(statement))
    with pytest.raises(StoreUnavailable):
        await log.record([entry("d-1")])
    assert [item["seq"] for item in lines(hive)] == [1, 2]
    with store.transaction() as conn:
        conn.execute(text("DROP TRIGGER doubt" + (" ON audit_index" * (store.dialect[0] == "p"))))
    [again] = await log.record([entry("d-1")])
    assert (again.existing, again.seq, len(lines(hive))) == (True, 2, 2)
    assert log.verify().ok


# A row that refers to nothing: only the commit, after the fsync, finds out.
_COMMITS_FAIL = {
    "sqlite": (
        "CREATE TABLE sure (id INTEGER PRIMARY KEY)",
        "CREATE TABLE doubts (id INTEGER REFERENCES sure (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER doubt AFTER INSERT ON audit_index BEGIN INSERT INTO doubts VALUES (1); END",
    ),
    "postgresql": (
        "CREATE TABLE sure (id INTEGER PRIMARY KEY)",
        "CREATE TABLE doubts (id INTEGER REFERENCES sure (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE FUNCTION doubt() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO doubts VALUES (1); RETURN NEW; END'",
        "CREATE TRIGGER doubt AFTER INSERT ON audit_index FOR EACH ROW EXECUTE FUNCTION doubt()",
    ),
}


async def test_a_row_in_the_place_of_the_next_record_stops_the_log(
    log: AuditLog, hive: Hive, store: Store
) -> None:
    await log.record([entry("d-0")])
    with store.transaction() as conn:
        conn.execute(audit_index.insert().values(_taken(hive, seq=2)))
    with pytest.raises((AuditBroken, StoreUnavailable)):
        await log.record([entry("d-1")])
    assert [item["seq"] for item in lines(hive)] == [1]


def _taken(hive: Hive, seq: int) -> dict[str, object]:
    return {
        "chain": hive.chain_id(), "seq": seq, "audit_id": "A-taken", "day": "2026-03-10",
        "offset": 0, "hash": "0" * 64,
    }  # fmt: skip


async def test_a_missing_anchor_beside_full_files_stops_the_log(
    log: AuditLog, hive: Hive, store: Store, clock
) -> None:
    await log.record([entry()])
    with store.transaction() as conn:
        conn.execute(delete(audit_heads))
    with pytest.raises(AuditBroken, match="anchor"):
        await log.record([entry()])
    assert not log.verify().ok
    assert len(lines(hive)) == 1


async def test_another_database_under_a_full_hive_is_refused(
    log: AuditLog, hive: Hive, clock, tmp_path
) -> None:
    await log.record([entry()])
    stranger = open_store(Hive.open(tmp_path / "other", sandbox=True))
    wrong = AuditLog(hive, stranger, clock)
    with pytest.raises(AuditBroken):
        await wrong.record([entry()])
    wrong.close()
    stranger.close()


async def test_a_closed_log_refuses(log: AuditLog) -> None:
    log.close()
    with pytest.raises(AuditUnwritable):
        await log.record([entry()])


async def test_a_file_that_cannot_be_written_is_a_no(log: AuditLog, hive: Hive, clock) -> None:
    await log.record([entry()])
    clock.step(days=1)
    (hive.audit_dir / "2026-03-11.jsonl").mkdir()
    with pytest.raises(AuditUnwritable):
        await log.record([entry()])


async def test_a_missing_audit_folder_is_a_no(log: AuditLog, hive: Hive) -> None:
    await log.record([entry()])
    hive.audit_dir.rename(hive.path / "moved")
    with pytest.raises(AuditUnwritable):
        await log.record([entry()])
