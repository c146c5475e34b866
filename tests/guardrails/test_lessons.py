"""Lessons wait until they stand in the bank, and are folded once whoever folds them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from guardrails.bank import Bank, Lesson
from guardrails.bank.file import backup_of, write_document
from guardrails.bank.fold import key_of
from guardrails.bank.models import Event, ItemAction
from guardrails.clock import iso
from guardrails.errors import BadInput, BankUnreadable
from guardrails.hive import Hive
from guardrails.lesson_folding import BATCH, Folding, fold_pending, pending_count, unreadable
from guardrails.lessons import Happened, lesson_of, record_lesson
from guardrails.model import Scope
from guardrails.store import Store
from guardrails.store.people_tables import lessons as table
from tests.decision_samples import DRAFT, inputs, new_bank

SCOPE = Scope(segment="saas", angle="hiring", persona="founder")
Make = Callable[..., Lesson]


@pytest.fixture
def make(clock: Any) -> Make:
    def lesson(number: int, **changed: Any) -> Lesson:
        fields: dict[str, Any] = {
            "event_id": f"rejection:AP-{number}",
            "at": clock(),
            "outcome": "rejection",
            "reason_code": "tone",
            "actor": "U-1",
            "trust": "human",
            "lead_id": f"L-{number:020x}",
            "scope": SCOPE,
            "template_hash": "a" * 16,
            "content_hash": f"{number:064x}",
        }
        return Lesson(**(fields | changed))

    return lesson


def recorded(store: Store, *lessons: Lesson) -> list[bool]:
    with store.transaction() as conn:
        return [record_lesson(conn, one, iso(one.at)) for one in lessons]


def waiting(store: Store, hive: Hive) -> int:
    with store.read() as conn:
        return pending_count(conn, hive.chain_id())


def folded(store: Store, bank: Bank, hive: Hive, clock: Any) -> tuple[str, ...]:
    return asyncio.run(fold_pending(store, bank, hive, clock))


def learned(bank: Bank) -> set[str]:
    return {one.event_id for item in bank.items() if item.kind == "learned_failure"
            for one in item.evidence}  # fmt: skip


def test_a_lesson_is_recorded_once_and_folded_once(
    store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    assert recorded(store, make(1), make(1), make(2)) == [True, False, True]
    assert set(folded(store, bank, hive, clock)) == {"rejection:AP-1", "rejection:AP-2"}
    version = bank.version
    assert folded(store, bank, hive, clock) == ()
    assert recorded(store, make(1)) == [False]
    assert folded(store, bank, hive, clock) == ()
    assert (waiting(store, hive), bank.version) == (0, version)
    assert learned(bank) == {"rejection:AP-1", "rejection:AP-2"}


def test_it_is_recorded_in_the_callers_transaction_or_not_at_all(
    store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    def undone() -> None:
        with store.transaction() as conn:
            assert record_lesson(conn, make(1), iso(clock()))
            raise KeyError

    with pytest.raises(KeyError):
        undone()
    assert waiting(store, hive) == 0


def test_many_lessons_are_one_write_of_the_bank_for_each_batch(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    before = int(bank.version.split("+")[0])
    recorded(sqlite_store, *(make(number) for number in range(BATCH + 3)))
    assert len(folded(sqlite_store, bank, hive, clock)) == BATCH + 3
    assert int(bank.version.split("+")[0]) == before + 2


def test_with_an_unreadable_bank_they_go_on_waiting_and_it_is_said(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    recorded(sqlite_store, make(1))
    whole = hive.bank_file.read_bytes()
    for damage in (b"", whole[:-20], whole.replace(b'"schema_version":1', b'"schema_version":9')):
        hive.bank_file.write_bytes(damage)
        with pytest.raises(BankUnreadable):
            folded(sqlite_store, bank, hive, clock)
        assert waiting(sqlite_store, hive) == 1
    hive.bank_file.unlink()
    with pytest.raises(BankUnreadable):
        folded(sqlite_store, bank, hive, clock)
    hive.bank_file.write_bytes(whole)
    assert folded(sqlite_store, bank, hive, clock) == ("rejection:AP-1",)


def test_a_crash_between_folding_and_saying_so_changes_nothing(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    recorded(sqlite_store, make(1), make(2))
    bank.learn(make(1), make(2))  # folded, and then the process was gone
    version = bank.version
    assert len(folded(sqlite_store, bank, hive, clock)) == 2
    assert (bank.version, waiting(sqlite_store, hive)) == (version, 0)


class Late(Bank):
    """Comes to its turn at writing only after somebody was forgotten."""

    def learn_from(self, read: Callable[[], Sequence[Event]]) -> tuple[str, ...]:
        self.forgetting()
        return super().learn_from(read)

    def forgetting(self) -> None: ...


def test_who_is_forgotten_while_a_lesson_is_folded_has_no_words_in_the_bank(
    store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    late = Late(hive.bank_file, bank.policy, clock)
    told = make(1, text="her brother's firm")
    recorded(store, told, make(2, text="too long"))

    def forgetting() -> None:
        silent = told.model_copy(update={"text": ""}).model_dump_json()
        with store.transaction() as conn:
            conn.execute(update(table).where(table.c.event_id == told.event_id)
                         .values(document=silent))  # fmt: skip
        bank.erase_words([told.event_id], told.lead_id or "", re.compile("ana@elm"))

    late.forgetting = forgetting  # type: ignore[method-assign]
    assert len(folded(store, late, hive, clock)) == 2
    words = {one.event_id: one.text for item in bank.items() for one in item.evidence}
    assert (words["rejection:AP-1"], words["rejection:AP-2"]) == ("", "too long")
    assert "brother" not in hive.bank_file.read_text() + backup_of(hive.bank_file).read_text()


@pytest.mark.parametrize("by_a_new_process", [False, True])
def test_what_a_bank_lost_that_was_put_back_from_its_backup_is_folded_again(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make, by_a_new_process: bool
) -> None:
    bank = new_bank(hive, clock)
    folding = Folding(sqlite_store, bank, hive, clock)
    for number in (1, 2):
        recorded(sqlite_store, make(number))
        asyncio.run(folding.fold())
    before = learned(bank)
    hive.bank_file.write_bytes(b"{")  # torn, and mended as the error says
    with pytest.raises(BankUnreadable):
        bank.items()
    hive.bank_file.write_bytes(backup_of(hive.bank_file).read_bytes())
    assert learned(bank) < before
    if by_a_new_process:
        folding = Folding(sqlite_store, Bank.open(hive.bank_file, bank.policy, clock), hive, clock)
    assert asyncio.run(folding.fold()) == ("rejection:AP-2",)
    assert learned(bank) == before


def test_what_a_bank_lost_is_folded_again_though_it_was_written_before_anybody_looked(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank, ticks = new_bank(hive, clock), [0.0]
    folding = Folding(sqlite_store, bank, hive, clock, lambda: ticks[0])
    for number in (1, 2):
        recorded(sqlite_store, make(number))
        asyncio.run(folding.fold())
    hive.bank_file.write_bytes(backup_of(hive.bank_file).read_bytes())
    bank.learn(make(3))  # as new as it was, and another one
    clock.step(days=1)
    ticks[0] = 300.0
    assert asyncio.run(folding.fold()) == ("rejection:AP-2",)
    assert learned(bank) == {f"rejection:AP-{number}" for number in (1, 2, 3)}


def test_what_is_dated_in_the_future_waits_for_its_time_and_holds_up_nobody(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    recorded(sqlite_store, make(1, at=clock() + timedelta(days=1)), make(2))
    assert folded(sqlite_store, bank, hive, clock) == ("rejection:AP-2",)
    clock.step(days=1)
    assert folded(sqlite_store, bank, hive, clock) == ("rejection:AP-1",)


def test_what_cannot_be_read_is_named_and_holds_up_nobody(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    bank = new_bank(hive, clock)
    recorded(sqlite_store, make(1), make(2))
    broken = update(table).where(table.c.event_id == "rejection:AP-1")
    with sqlite_store.transaction() as conn:
        conn.execute(broken.values(document='{"outcome": "opened"}'))
    assert folded(sqlite_store, bank, hive, clock) == ("rejection:AP-2",)
    with sqlite_store.read() as conn:
        assert unreadable(conn, hive.chain_id()) == ["rejection:AP-1"]
    assert waiting(sqlite_store, hive) == 1


def test_four_who_fold_at_once_lose_nothing(
    store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    new_bank(hive, clock)
    policy = new_policy()
    recorded(store, *(make(number) for number in range(40)))

    async def all_of_them() -> None:
        banks = [Bank(hive.bank_file, policy, clock) for _ in range(4)]
        await asyncio.gather(*(fold_pending(store, bank, hive, clock) for bank in banks))

    asyncio.run(all_of_them())
    assert len(learned(Bank(hive.bank_file, policy, clock))) == 40
    assert waiting(store, hive) == 0


def new_policy() -> Any:
    from tests.decision_samples import section

    return section("policy").bank


@pytest.mark.kill
def test_a_process_that_is_killed_while_folding_leaves_nothing_half_done(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make, tmp_path: Path
) -> None:
    """Killed right after the bank was replaced and before the rows were marked."""
    bank = new_bank(hive, clock)
    recorded(sqlite_store, make(1), make(2))
    script = tmp_path / "fold.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import asyncio, os, signal
            from datetime import datetime
            from pathlib import Path
            from guardrails import lesson_folding
            from guardrails.bank import Bank
            from guardrails.config import load_config
            from guardrails.hive import Hive
            from guardrails.store import open_store

            class Killed(Bank):
                def learn_from(self, read):
                    super().learn_from(read)
                    os.kill(os.getpid(), signal.SIGKILL)

            hive = Hive.open(Path({str(hive.path)!r}), sandbox=True)
            now = lambda: datetime.fromisoformat({clock().isoformat()!r})
            bank = Killed(hive.bank_file, load_config().policy.bank, now)
            asyncio.run(lesson_folding.fold_pending(open_store(hive), bank, hive, now))
            """
        )
    )
    env = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, str(script)], env=env, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (waiting(sqlite_store, hive), len(learned(bank))) == (2, 2)
    assert len(folded(sqlite_store, bank, hive, clock)) == 2
    assert waiting(sqlite_store, hive) == 0


def test_a_lesson_of_a_decision_has_its_scope_hashes_and_structure(clock: Any) -> None:
    record = {
        "audit_id": "A-1",
        "lead_id": "L-1",
        "body": {
            "scope": DRAFT.scope.model_dump(mode="json"),
            "template_hash": DRAFT.template_hash,
            "content_hash": "c" * 64,
        },
    }
    what = Happened("e-1", "hard_bounce", clock(), "instantly", "system")
    lesson = lesson_of(record, inputs(), what)
    assert (lesson.scope, lesson.lead_id, lesson.content_hash) == (DRAFT.scope, "L-1", "c" * 64)
    assert (lesson.features, lesson.template_hash) == (dict(DRAFT.features), DRAFT.template_hash)
    assert lesson_of(record, None, what).features == {}
    with pytest.raises(BadInput, match="no draft"):
        lesson_of(record | {"body": {"scope": None}}, None, what)


def test_the_words_of_a_lesson_name_no_address_and_are_no_longer_than_it_takes(
    clock: Any,
) -> None:
    """Or the banks of other databases, which are told no address, would hold other words."""
    said = "ask a@b.co" + "!" * 1990
    what = Happened("e", "rejection", clock(), "U-1", "human", "tone", said)
    body = {"scope": SCOPE.model_dump(), "template_hash": "t", "content_hash": "c"}
    made = lesson_of({"lead_id": "L-1", "body": body}, None, what)
    assert (made.text[:16], len(made.text)) == ("ask [address]!!!", 2000)


def test_the_document_in_the_table_is_the_lesson(
    sqlite_store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    recorded(sqlite_store, make(7, text="Too pushy."))
    with sqlite_store.read() as conn:
        row = conn.execute(select(table)).one()
    assert Lesson.model_validate_json(row.document) == make(7, text="Too pushy.")
    assert (row.lead_id, row.created_at) == (make(7).lead_id, iso(clock()))


def test_a_write_makes_anew_only_the_lines_of_items_that_changed(
    hive: Hive, clock: Any, make: Make
) -> None:
    """And gives the very file that a writer without a past would have written."""
    bank = new_bank(hive, clock)
    for number in range(5):
        bank.learn(make(number, scope=SCOPE.model_copy(update={"segment": f"s{number}"})))
    bank.learn(make(9))
    text = hive.bank_file.read_bytes()
    other = hive.path / "other.json"
    write_document(other, bank.items(), int(bank.version.split("+")[0]))
    assert other.read_bytes() == text


def test_each_hive_folds_every_lesson_of_the_database_into_its_own_bank(
    store: Store, hive: Hive, clock: Any, make: Make, tmp_path: Path
) -> None:
    other = Hive.open(tmp_path / "other", sandbox=True)
    mine, theirs = new_bank(hive, clock), new_bank(other, clock)
    recorded(store, make(1), make(2))
    assert len(folded(store, mine, hive, clock)) == 2
    recorded(store, make(3))
    assert (waiting(store, hive), waiting(store, other)) == (1, 3)
    assert len(folded(store, theirs, other, clock)) == 3
    assert len(folded(store, mine, hive, clock)) == 1
    assert mine.items() == theirs.items()
    assert (folded(store, mine, hive, clock), folded(store, theirs, other, clock)) == ((), ())


def test_between_two_looks_at_everything_only_the_latest_are_looked_at(
    store: Store, hive: Hive, clock: Any, make: Make
) -> None:
    """What was committed late enough to be missed is found by the next look at everything."""
    ticks = [0.0]
    folding = Folding(store, new_bank(hive, clock), hive, clock, lambda: ticks[0])
    assert asyncio.run(folding.fold()) == ()
    recorded(store, make(1, at=clock() - timedelta(minutes=10)))
    assert asyncio.run(folding.fold()) == ("rejection:AP-1",)
    recorded(store, make(2, at=clock() - timedelta(hours=1)))
    assert asyncio.run(folding.fold()) == ()
    ticks[0] = 300.0
    assert asyncio.run(folding.fold()) == ("rejection:AP-2",)


def test_an_act_of_a_person_reaches_the_banks_of_other_hives(
    store: Store, hive: Hive, clock: Any, make: Make, tmp_path: Path
) -> None:
    other = Hive.open(tmp_path / "other", sandbox=True)
    mine, theirs = new_bank(hive, clock), new_bank(other, clock)
    recorded(store, make(1))
    folded(store, mine, hive, clock)
    item = next(one for one in mine.items() if one.kind == "hard_rule")
    clock.step(seconds=60)
    act = ItemAction(
        event_id="act:A-1", at=clock(), action="retired", actor="U-1", text="No.", key=key_of(item)
    )
    with store.transaction() as conn:
        assert record_lesson(conn, act, iso(clock()))
    folded(store, theirs, other, clock)
    folded(store, mine, hive, clock)
    assert [one.status for one in theirs.items() if one.id == item.id] == ["retired"]
    assert mine.items() == theirs.items()
