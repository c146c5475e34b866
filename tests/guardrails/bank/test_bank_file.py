"""The bank's file: unreadable in any way is a refusal, and a change is seen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails.bank import Bank, Lesson, Pattern, create_bank
from guardrails.bank.file import exclusive, read_document, write_document
from guardrails.config.models import BankPolicy, GoldenSet
from guardrails.errors import BadInput, BankUnreadable
from guardrails.model import Verdict

MakeLesson = Callable[..., Lesson]
Ask = Callable[..., Pattern]
Damage = Callable[[bytes], bytes]


@pytest.fixture
def path(bank: Bank, tmp_path: Path) -> Path:
    """The open bank's file."""
    return tmp_path / "reasoning_bank.json"


def _with(change: dict[str, Any]) -> Damage:
    return lambda raw: json.dumps(json.loads(raw) | change).encode()


def _milder(raw: bytes) -> bytes:
    """Somebody turns a failure into a success by hand."""
    return raw.replace(b'"rejection"', b'"meeting"')


def _doubled(raw: bytes) -> bytes:
    data = json.loads(raw)
    return json.dumps(data | {"items": [*data["items"], data["items"][0]]}).encode()


DAMAGES = {
    "empty": lambda raw: b"",
    "torn in the middle": lambda raw: raw[: len(raw) // 2],
    "torn at the end": lambda raw: raw[:-3],
    "zeros after a crash": lambda raw: b"\0" * len(raw),
    "not UTF-8": lambda raw: raw.replace(b"tone", b"\xff\xfe\xff\xff"),
    "a list": lambda raw: b"[]",
    "null": lambda raw: b"null",
    "a newer schema": _with({"schema_version": 2}),
    "no schema": _with({"schema_version": None}),
    "schema true": _with({"schema_version": True}),
    "items gone": _with({"items": []}),
    "an unknown field": _with({"note": "x"}),
    "edited by hand": _milder,
    "an item twice": _doubled,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_bank_is_refused_and_never_empty(
    damage: Damage, bank: Bank, path: Path, lesson: MakeLesson, pattern: Ask, policy: BankPolicy,
    clock: Any,
) -> None:  # fmt: skip
    bank.learn(lesson(1))
    good = path.read_bytes()
    path.write_bytes(damage(good))
    for _ in range(2):  # not only when it is first seen
        with pytest.raises(BankUnreadable, match=r"reasoning_bank\.json"):
            bank.consult(pattern())
    with pytest.raises(BankUnreadable):
        bank.learn(lesson(2))
    with pytest.raises(BankUnreadable):
        Bank.open(path, policy, clock)
    path.write_bytes(good)
    resend = pattern(lead_id=lesson(1).lead_id)
    assert bank.consult(resend).verdict is Verdict.BLOCK  # mended: it answers again


def test_a_missing_bank_is_refused_although_it_is_still_in_memory(
    bank: Bank, path: Path, pattern: Ask, lesson: MakeLesson
) -> None:
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(BankUnreadable, match="No such file"):
        bank.consult(pattern())
    with pytest.raises(BankUnreadable):
        bank.learn(lesson(1))
    assert not path.exists()


def test_a_directory_in_its_place_is_refused(bank: Bank, path: Path, pattern: Ask) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(BankUnreadable):
        bank.consult(pattern())


def test_a_lesson_learned_elsewhere_is_seen_at_the_next_consult(
    bank: Bank, path: Path, policy: BankPolicy, clock: Any, lesson: MakeLesson, pattern: Ask
) -> None:
    asked = pattern(lead_id=lesson(1).lead_id)
    assert bank.consult(asked).verdict is Verdict.PASS
    elsewhere = Bank.open(path, policy, clock)
    elsewhere.learn(lesson(1))
    assert bank.consult(asked).verdict is Verdict.BLOCK
    assert bank.version == elsewhere.version


def test_the_file_is_one_json_document_for_the_owner_only(
    bank: Bank, path: Path, lesson: MakeLesson
) -> None:
    bank.learn(lesson(1))
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["schema_version"] == 1
    assert data["version"]["counter"] == 2
    assert {
        "id", "kind", "title", "description", "content", "scope", "fingerprint", "match",
        "evidence", "alpha", "beta", "half_life_days", "source_trust", "status", "supersedes",
        "created_by",
    } == set(data["items"][0])  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_former_version_is_kept_and_restores_the_bank(
    bank: Bank, path: Path, lesson: MakeLesson, pattern: Ask
) -> None:
    former = path.read_bytes()
    bank.learn(lesson(1))
    backup = path.with_name("reasoning_bank.json.bak")
    assert backup.read_bytes() == former
    bank.learn(lesson(2))
    path.write_bytes(backup.read_bytes())
    assert bank.consult(pattern(lead_id=lesson(1).lead_id)).verdict is Verdict.BLOCK
    assert bank.consult(pattern(lead_id=lesson(2).lead_id)).verdict is Verdict.PASS


def test_a_reformatted_but_unaltered_bank_is_accepted(
    bank: Bank, path: Path, lesson: MakeLesson, pattern: Ask
) -> None:
    bank.learn(lesson(1))
    version = bank.version
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=4))
    assert bank.version == version


def test_a_new_bank_never_replaces_one_that_is_there_or_was_lost(
    bank: Bank, path: Path, no_golden: GoldenSet, clock: Any
) -> None:
    with pytest.raises(BadInput, match="there already"):
        create_bank(path, no_golden, clock=clock)
    path.unlink()
    with pytest.raises(BadInput, match="there already"):
        create_bank(path, no_golden, clock=clock)
    assert not path.exists()


def test_a_writer_that_cannot_get_the_lock_gives_up(
    bank: Bank, path: Path, lesson: MakeLesson
) -> None:
    with (
        exclusive(path),
        pytest.raises(BankUnreadable, match="another process"),
        exclusive(path, wait_s=0.0),
    ):
        raise AssertionError("two writers at once")
    bank.learn(lesson(1))


def test_a_disk_that_refuses_leaves_the_former_bank(
    bank: Bank, path: Path, lesson: MakeLesson, pattern: Ask
) -> None:
    bank.learn(lesson(1))
    before = path.read_bytes()
    blocked = path.with_name("reasoning_bank.json.tmp")
    blocked.mkdir()  # the place of the new text cannot be written
    with pytest.raises(BankUnreadable, match="former version stands"):
        bank.learn(lesson(2))
    assert path.read_bytes() == before
    assert bank.consult(pattern(lead_id=lesson(2).lead_id)).verdict is Verdict.PASS
    blocked.rmdir()
    bank.learn(lesson(2))
    assert bank.consult(pattern(lead_id=lesson(2).lead_id)).verdict is Verdict.BLOCK


def test_what_is_written_is_what_is_read(bank: Bank, path: Path, lesson: MakeLesson) -> None:
    bank.learn(*(lesson(number, text="späte Antwort 名前") for number in range(4)))
    document, signature = read_document(path)
    assert document.items == bank.items()
    with exclusive(path):
        version, _ = write_document(path, document.items, document.version.counter)
    assert version == document.version
    assert read_document(path)[1] != signature


def test_an_unchanged_file_is_not_read_again(
    bank: Bank, path: Path, lesson: MakeLesson, pattern: Ask, policy: BankPolicy, clock: Any
) -> None:
    Bank.open(path, policy, clock).learn(lesson(1))
    before = bank.items()  # read because another one wrote
    bank.consult(pattern())
    assert all(now is then for now, then in zip(bank.items(), before, strict=True))


def test_a_change_is_seen_although_size_and_modification_time_are_put_back(
    bank: Bank, path: Path, pattern: Ask
) -> None:
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(BankUnreadable):
        bank.consult(pattern())
