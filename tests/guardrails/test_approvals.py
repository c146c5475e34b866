"""A person's word counts once, for the text they saw, and is on record before anything follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from guardrails import approval_rows as rows
from guardrails.approval_model import AnswerKind, Approval, ApprovalState
from guardrails.approvers import Approver, ApproverList, slack_ids
from guardrails.audit import AuditEntry, AuditLog
from guardrails.config.models import Approvers
from guardrails.errors import AuditBroken, AuditUnwritable, BadInput, ConfigError
from guardrails.hive import Hive
from guardrails.model import Mode, Verdict
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.decision_samples import new_bank
from tests.guardrails.approval_samples import Waiting, people
from tests.guardrails.authorize_samples import Desk, in_mode

pytestmark = pytest.mark.anyio


@pytest.fixture
def here(hive: Hive, store: Store, clock: SteppableClock) -> Iterator[Waiting]:
    audit = AuditLog(hive, store, clock)
    yield Waiting(Desk(hive, store, clock, audit, new_bank(hive, clock), in_mode(Mode.ASSISTED)))
    audit.close()


async def lessons(here: Waiting) -> list[str]:
    query = text("SELECT event_id FROM lessons ORDER BY event_id")
    return await here.desk.store.query(lambda conn: list(conn.execute(query).scalars()))


async def test_a_yes_is_on_record_and_lets_exactly_this_text_go_once(here: Waiting) -> None:
    asked = await here.asked()
    answer = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert answer.kind is AnswerKind.DONE
    assert answer.approval is not None
    assert (answer.approval.state, answer.approval.ended_by, answer.approval.ended_via) == (
        ApprovalState.APPROVED, here.who("Ada").id, "slack",
    )  # fmt: skip
    (record,) = here.desk.records("approval")
    assert (record["audit_id"], record["actor"]) == (answer.approval.audit_id, here.who("Ada").id)
    assert record["body"]["content_hash"] == asked.content_hash
    assert here.let_go == [asked.approval_id]
    assert await lessons(here) == []


async def test_a_no_becomes_a_lesson_with_reason_words_and_person(here: Waiting) -> None:
    asked = await here.asked()
    answer = await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "cli",
        reason_code="tone", text="Too familiar.",
    )  # fmt: skip
    assert answer.kind is AnswerKind.DONE
    assert answer.approval is not None
    assert (answer.approval.reason_code, answer.approval.reason_text) == ("tone", "Too familiar.")
    assert here.let_go == []
    assert await lessons(here) == [f"rejection:{asked.approval_id}"]
    (record,) = here.desk.records("approval")
    assert "familiar" not in str(record)  # words can be erased; the audit cannot


@pytest.mark.parametrize("words", ["Too\0 familiar.", "Too familiar.\ud83d"])
async def test_words_that_no_database_takes_are_kept_without_what_it_refuses(
    here: Waiting, words: str
) -> None:
    """A record that nobody can follow would keep the draft waiting for ever."""
    asked = await here.asked()
    answer = await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "mcp",
        reason_code="tone", text=words,
    )  # fmt: skip
    assert answer.kind is AnswerKind.DONE
    assert answer.approval is not None
    assert (answer.approval.reason_text or "").rstrip("?") == "Too familiar."


@pytest.mark.parametrize(
    ("code", "words"), [("dislike", "no"), ("", ""), ("other", ""), ("other", "  \n")]
)
async def test_a_no_without_a_proper_reason_is_none(here: Waiting, code: str, words: str) -> None:
    asked = await here.asked()
    with pytest.raises(BadInput):
        await here.approvals.reject(
            asked.approval_id, asked.content_hash, here.who("Ben"), "cli",
            reason_code=code, text=words,
        )  # fmt: skip
    assert here.desk.records("approval") == []


async def test_a_hundred_clicks_of_all_people_are_one_decision_and_each_is_answered(
    here: Waiting,
) -> None:
    asked = await here.asked()
    desks = [here.approvals, here.another(), here.another()]
    names = ["Ada", "Ben", "Cyd"]

    async def click(number: int) -> AnswerKind:
        who, desk = here.who(names[number % 3]), desks[number % len(desks)]
        if number % 2:
            answer = await desk.approve(asked.approval_id, asked.content_hash, who, "slack")
        else:
            answer = await desk.reject(
                asked.approval_id, asked.content_hash, who, "slack", reason_code="timing"
            )
        return answer.kind

    kinds = await asyncio.gather(*(click(number) for number in range(100)))
    assert sorted(kinds) == sorted([AnswerKind.DONE, *[AnswerKind.ALREADY] * 99])
    (record,) = here.desk.records("approval")
    approved = record["body"]["end"] == "approved"
    assert len(here.let_go) == (1 if approved else 0)
    assert len(await lessons(here)) == (0 if approved else 1)


async def test_who_comes_late_is_told_who_was_first(here: Waiting) -> None:
    asked = await here.asked()
    await here.approvals.approve(asked.approval_id, asked.content_hash, here.who("Ada"), "slack")
    late = await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "slack", reason_code="tone"
    )
    assert late.kind is AnswerKind.ALREADY
    assert "approved by Ada at 14:00 UTC" in late.text
    assert here.let_go == [asked.approval_id]


async def test_another_text_than_the_one_that_waits_is_not_approved(here: Waiting) -> None:
    asked = await here.asked()
    answer = await here.approvals.approve(asked.approval_id, "0" * 64, here.who("Ada"), "slack")
    assert answer.kind is AnswerKind.CONTENT_CHANGED
    assert (here.let_go, here.desk.records("approval")) == ([], [])


async def test_nobody_outside_the_list_decides_not_even_with_a_listed_id(here: Waiting) -> None:
    asked = await here.asked()
    ada = here.who("Ada")
    for stranger in (
        Approver("U-0000000000000000", "Eve", "U0EVE00", "approver"),
        Approver(ada.id, "Eve", "U0EVE00", "approver"),
    ):
        answer = await here.approvals.approve(
            asked.approval_id, asked.content_hash, stranger, "slack"
        )
        assert answer.kind is AnswerKind.NOT_PERMITTED
    assert (here.let_go, here.desk.records("approval")) == ([], [])


async def test_nobody_approves_alone_what_they_wrote(here: Waiting) -> None:
    asked = await here.asked(author=here.who("Ada").id)
    own = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert own.kind is AnswerKind.NOT_PERMITTED
    other = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ben"), "slack"
    )
    assert other.kind is AnswerKind.DONE


async def test_silence_is_never_consent(here: Waiting) -> None:
    asked = await here.asked()
    here.desk.clock.step(seconds=24 * 3600 - 1)
    assert await here.approvals.expire_due() == []
    here.desk.clock.step(seconds=1)
    answer = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert answer.kind is AnswerKind.EXPIRED
    assert here.let_go == []
    found = await here.approvals.get(asked.approval_id)
    assert found is not None
    assert (found.state, found.ended_by) == (ApprovalState.EXPIRED, "swarm")
    assert await here.approvals.expire_due() == []


async def test_what_expires_is_ended_by_the_sweep_once(here: Waiting) -> None:
    asked = await here.asked()
    here.desk.clock.step(days=2)
    mine, theirs = await asyncio.gather(here.approvals.expire_due(), here.another().expire_due())
    assert [one.approval_id for one in (*mine, *theirs)] == [asked.approval_id]
    assert len(here.desk.records("approval")) == 1


async def test_a_crash_after_the_record_is_finished_from_the_record(here: Waiting) -> None:
    asked = await here.asked()
    body = {
        "approval_id": asked.approval_id, "decision_audit_id": asked.decision_audit_id,
        "content_hash": asked.content_hash, "end": "approved", "by": here.who("Ada").id,
        "via": "slack", "author": None, "reason_code": None, "words_digest": None,
        "ended_at": "2026-03-10T14:00:00.000000Z",
    }  # fmt: skip
    entry = AuditEntry(
        "approval", here.who("Ada").id, body, rows.end_id(asked.approval_id), asked.lead_id
    )
    await here.desk.audit.record([entry])  # ... and the process died here
    late = await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "slack", reason_code="tone"
    )
    assert late.kind is AnswerKind.ALREADY
    assert here.let_go == [asked.approval_id]
    assert await here.approvals.finish_recorded() == 0


async def test_the_sweep_finishes_what_nobody_clicks_again(here: Waiting) -> None:
    asked = await here.asked()
    done = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert done.kind is AnswerKind.DONE
    back = text("UPDATE approvals SET state = 'waiting', ended_at = NULL, ended_by = NULL")
    await here.desk.store.run(lambda conn: conn.execute(back))
    assert await here.another().finish_recorded() == 1
    found = await here.approvals.get(asked.approval_id)
    assert found is not None
    assert found.state is ApprovalState.APPROVED
    assert here.let_go == [asked.approval_id] * 2  # queueing is once by its own key


async def test_one_whose_record_does_not_hold_holds_up_no_other(here: Waiting) -> None:
    bad, good = [await here.asked(await here.desk.decided(run_id=f"run-{n}")) for n in (1, 2)]
    for one in (bad, good):
        await here.approvals.approve(one.approval_id, one.content_hash, here.who("Ada"), "slack")
    third = await here.asked(await here.desk.decided(run_id="run-3"))
    for sql in (
        "UPDATE approvals SET state = 'waiting', ended_at = NULL, ended_by = NULL "
        "WHERE state = 'approved'",
        f"UPDATE audit_index SET hash = '0' WHERE decision_id = '{rows.end_id(bad.approval_id)}'",
    ):
        statement = text(sql)
        await here.desk.store.run(lambda conn, statement=statement: conn.execute(statement))  # type: ignore[misc]
    with pytest.raises(AuditBroken):
        await here.approvals.finish_recorded()
    here.desk.clock.step(days=2)
    with pytest.raises(AuditBroken):
        await here.approvals.expire_due()
    states = [(await here.approvals.get(one.approval_id)) for one in (bad, good, third)]
    assert [one.state.value for one in states if one] == ["waiting", "approved", "expired"]


async def test_without_a_record_there_is_no_yes(
    here: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await here.asked()
    for file in here.desk.hive.audit_dir.glob("*.jsonl"):
        file.unlink()
        file.mkdir()
    with pytest.raises(AuditUnwritable):
        await here.approvals.approve(
            asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
        )
    found = await here.approvals.get(asked.approval_id)
    assert found is not None
    assert found.state is ApprovalState.WAITING
    assert here.let_go == []


async def test_bulk_leaves_out_what_needs_a_look_by_itself(here: Waiting) -> None:
    first = await here.asked()
    marked = await here.asked(
        decision_audit_id="A-marked", verdict=Verdict.REVIEW, lead_id="L-2", content_hash="b"
    )
    assert (first.first_of_segment, first.alone, marked.alone) == (True, True, True)
    answers = await here.approvals.approve_many(
        [first.approval_id, marked.approval_id, "AP-none"], here.who("Ada"), "cli"
    )
    assert [answer.kind for answer in answers] == [
        AnswerKind.NOT_PERMITTED, AnswerKind.NOT_PERMITTED, AnswerKind.NOT_FOUND,
    ]  # fmt: skip
    assert here.let_go == []
    await here.approvals.approve(first.approval_id, first.content_hash, here.who("Ada"), "cli")
    second = await here.asked(decision_audit_id="A-second", lead_id="L-3", content_hash="c")
    assert not second.alone
    (answer,) = await here.approvals.approve_many([second.approval_id], here.who("Ada"), "cli")
    assert answer.kind is AnswerKind.DONE


async def test_the_same_decision_asks_once_and_is_due_by_its_tier(here: Waiting) -> None:
    once, twice = await here.asked(), await here.asked(tier=3)
    assert once == twice
    assert (once.due_at - once.requested_at).total_seconds() == 30 * 60
    other = await here.asked(decision_audit_id="A-2", tier=4)
    assert (other.due_at - other.requested_at).total_seconds() == 240 * 60
    waiting = await here.approvals.waiting()
    assert [one.approval_id for one in waiting] == [once.approval_id, other.approval_id]


async def test_who_leaves_takes_what_waits_along(here: Waiting) -> None:
    asked = await here.asked()
    other = await here.asked(decision_audit_id="A-2", lead_id="L-else")
    assert await here.approvals.withdraw("opted_out", lead_id="L-nobody") == []
    (gone,) = await here.approvals.withdraw("opted_out", lead_id=asked.lead_id)
    assert gone.approval_id == asked.approval_id
    late = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert late.kind is AnswerKind.ALREADY
    assert [one.approval_id for one in await here.approvals.waiting()] == [other.approval_id]
    with pytest.raises(BadInput):
        await here.approvals.withdraw("opted_out")


async def test_a_stopped_swarm_takes_a_yes_and_says_that_it_waits(here: Waiting) -> None:
    asked = await here.asked()
    here.desk.hive.stop_file.write_text("fire\n")
    answer = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert answer.kind is AnswerKind.DONE
    assert "stopped (fire)" in answer.text


def listed(*entries: tuple[str, str | None], extra: str = "") -> ApproverList:
    rows_ = [{"name": name, "slack_user_id": slack, "role": "approver"} for name, slack in entries]
    config = Approvers.model_validate({"schema_version": 1, "approvers": rows_})
    return ApproverList.of(config, slack_ids(extra), b"salt")


def test_open_places_are_filled_from_the_environment_and_further_ids_are_people_too() -> None:
    found = listed(("Ada", None), ("Ben", "U0BEN00"), extra="U0ADA00, U0BEN00 U0CYD00,")
    assert [(one.name, one.slack_user_id) for one in found.all()] == [
        ("Ada", "U0ADA00"), ("Ben", "U0BEN00"), ("U0CYD00", "U0CYD00"),
    ]  # fmt: skip
    assert len({one.id for one in found.all()}) == 3
    ada = found.by_name(" ADA ")
    assert ada is not None
    assert found.by_slack("U0ADA00") is found.by_id(ada.id) is ada


@pytest.mark.parametrize(
    "entries", [(("Ada", None), ("ada", None)), (("Ada", "U0ADA00"), ("Ben", "U0ADA00"))]
)
def test_a_person_listed_twice_is_an_error(entries: tuple[tuple[str, str | None], ...]) -> None:
    with pytest.raises(ConfigError):
        listed(*entries)


def test_the_delivered_configuration_has_three_people(hive: Hive) -> None:
    assert [one.name for one in people(hive.salt()).all()] == ["Ada", "Ben", "Cyd"]


def test_an_approval_knows_whether_it_may_be_one_of_many() -> None:
    fields = dict.fromkeys(Approval.__dataclass_fields__)
    plain = Approval(**fields | {"first_of_segment": False, "verdict": Verdict.PASS})  # type: ignore[arg-type]
    assert not plain.alone
