"""Verifying: every way to tamper with the files is named at its first record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator

import pytest

from guardrails.audit import AuditEntry, AuditLog
from guardrails.errors import AuditBroken
from guardrails.hive import Hive
from guardrails.model import canonical_json
from guardrails.store import Store

pytestmark = pytest.mark.anyio
DAYS = ("2026-03-10", "2026-03-11", "2026-03-12")


@pytest.fixture
async def log(hive: Hive, sqlite_store: Store, clock) -> AuditLog:
    """Three days with four records each."""
    log = AuditLog(hive, sqlite_store, clock)
    for day in range(3):
        await log.record([AuditEntry("review", "gate", {"day": day, "n": n}) for n in range(4)])
        clock.step(days=1)
    return log


@pytest.fixture(autouse=True)
def _closed(log: AuditLog) -> Iterator[None]:
    yield
    log.close()


def tamper(hive: Hive, day: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = hive.audit_dir / f"{day}.jsonl"
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def first_bad(log: AuditLog) -> tuple[str, int, int]:
    report = log.verify()
    assert not report.ok
    assert report.problem
    assert report.first_bad
    return report.first_bad.file, report.first_bad.line, report.first_bad.seq


async def test_an_untouched_chain_verifies(log: AuditLog) -> None:
    report = log.verify()
    assert (report.ok, report.records, report.problem) == (True, 12, None)
    assert report.head == log.head().hash


async def test_an_edited_record_is_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[1], lambda rows: [rows[0], rows[1].replace(b'"n":1', b'"n":9'), *rows[2:]])
    assert first_bad(log) == ("2026-03-11.jsonl", 2, 6)
    assert "edited" in (log.verify().problem or "")


async def test_white_space_is_an_edit_too(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[0], lambda rows: [rows[0].replace(b'":1', b'": 1', 1), *rows[1:]])
    assert first_bad(log) == ("2026-03-10.jsonl", 1, 1)


async def test_a_record_edited_and_sealed_again_is_named_with_its_successor(
    log: AuditLog, hive: Hive
) -> None:
    tamper(hive, DAYS[0], lambda rows: [rows[0], _resealed(rows[1]), *rows[2:]])
    assert first_bad(log) == ("2026-03-10.jsonl", 3, 3)


async def test_a_deleted_record_is_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[1], lambda rows: rows[:2] + rows[3:])
    assert first_bad(log) == ("2026-03-11.jsonl", 3, 7)


async def test_reordered_records_are_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[1], lambda rows: [rows[0], rows[2], rows[1], rows[3]])
    assert first_bad(log) == ("2026-03-11.jsonl", 2, 6)


async def test_an_inserted_record_is_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[1], lambda rows: [*rows[:2], rows[1], *rows[2:]])
    assert first_bad(log) == ("2026-03-11.jsonl", 3, 7)


async def test_records_cut_off_the_end_are_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[2], lambda rows: rows[:2])
    assert first_bad(log) == ("2026-03-12.jsonl", 3, 11)


async def test_an_emptied_last_file_is_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[2], lambda _rows: [])
    assert first_bad(log) == ("2026-03-12.jsonl", 1, 9)


@pytest.mark.parametrize(("day", "seq"), [(DAYS[0], 1), (DAYS[1], 5), (DAYS[2], 9)])
async def test_a_missing_day_is_named(log: AuditLog, hive: Hive, day: str, seq: int) -> None:
    (hive.audit_dir / f"{day}.jsonl").unlink()
    assert first_bad(log) == (f"{day}.jsonl", 0, seq)


async def test_a_whole_chain_written_anew_is_named_where_it_departs(
    log: AuditLog, hive: Hive
) -> None:
    before = "0" * 64
    for day in DAYS:
        file = hive.audit_dir / f"{day}.jsonl"
        rows = []
        for line in file.read_bytes().splitlines():
            record = json.loads(line)
            if record["seq"] == 6:
                record["body"]["n"] = "forged"
            row = _seal({**record, "prev": before})
            rows.append(row)
            before = json.loads(row)["hash"]
        file.write_bytes(b"".join(rows))
    assert first_bad(log) == ("2026-03-11.jsonl", 2, 6)


async def test_a_torn_line_before_the_anchor_is_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[2], lambda rows: [*rows[:3], rows[3][:20]])
    assert first_bad(log) == ("2026-03-12.jsonl", 4, 12)


async def test_garbage_is_named(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[1], lambda rows: [b"\xff\xfe\x00 not a record\n", *rows[1:]])
    assert first_bad(log) == ("2026-03-11.jsonl", 1, 5)
    tamper(hive, DAYS[1], lambda rows: [b'{"seq":5}\n', *rows[1:]])
    assert first_bad(log) == ("2026-03-11.jsonl", 1, 5)


async def test_an_unfinished_line_beyond_the_anchor_is_no_damage(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[2], lambda rows: [*rows, rows[3][:20]])
    report = log.verify()
    assert (report.ok, report.records, report.uncommitted_tail) == (True, 12, True)


async def test_whole_records_beyond_the_anchor_must_follow_it_too(
    log: AuditLog, hive: Hive
) -> None:
    tamper(hive, DAYS[2], lambda rows: [*rows, _next(rows[3])])
    assert (log.verify().ok, log.verify().uncommitted) == (True, 1)
    tamper(hive, DAYS[2], lambda rows: [*rows, rows[0]])
    assert first_bad(log) == ("2026-03-12.jsonl", 6, 14)


@pytest.mark.parametrize("keep", [0, 2])
async def test_nothing_is_appended_to_files_that_lack_what_the_anchor_says(
    log: AuditLog, hive: Hive, sqlite_store: Store, clock, keep: int
) -> None:
    tamper(hive, DAYS[2], lambda rows: rows[:keep])
    before = (hive.audit_dir / f"{DAYS[2]}.jsonl").read_bytes()
    for writer in (log, AuditLog(hive, sqlite_store, clock)):
        with pytest.raises(AuditBroken):
            await writer.record([AuditEntry("review", "gate")])
        writer.close()
    assert (hive.audit_dir / f"{DAYS[2]}.jsonl").read_bytes() == before


async def test_a_torn_anchored_record_is_kept_as_evidence(log: AuditLog, hive: Hive) -> None:
    tamper(hive, DAYS[2], lambda rows: [*rows[:3], rows[3].rstrip(b"\n")])
    before = (hive.audit_dir / f"{DAYS[2]}.jsonl").read_bytes()
    with pytest.raises(AuditBroken):
        await log.record([AuditEntry("review", "gate")])
    assert (hive.audit_dir / f"{DAYS[2]}.jsonl").read_bytes() == before


async def test_other_files_in_the_folder_are_not_read(log: AuditLog, hive: Hive) -> None:
    (hive.audit_dir / "2026-03-10.jsonl.bak").write_text("copy")
    (hive.audit_dir / "notes.jsonl").write_text("mine")
    assert log.verify().ok


def _seal(record: dict[str, object]) -> bytes:
    content = {key: value for key, value in record.items() if key != "hash"}
    sealed = {**content, "hash": hashlib.sha256(canonical_json(content)).hexdigest()}
    return canonical_json(sealed) + b"\n"


def _resealed(row: bytes) -> bytes:
    return _seal({**json.loads(row), "actor": "somebody else"})


def _next(row: bytes) -> bytes:
    last = json.loads(row)
    return _seal({**last, "seq": last["seq"] + 1, "prev": last["hash"], "audit_id": "A-next"})
