"""A person's new text: through every guardrail first, and the old one waits until it has passed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from guardrails.approval_model import AnswerKind, Approval, ApprovalState
from guardrails.audit import AuditLog
from guardrails.errors import BadInput, ServerUnavailable
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.approvals.case import Cases
from orchestrator.approvals.edit import Edit, submit
from orchestrator.approvals.edits import Edits, Parts, edited
from orchestrator.inbox import MAX_ATTEMPTS, Inbox, Received, Source
from servers.guardrails.contract import ReviewLead
from tests.conftest import SteppableClock
from tests.decision_samples import DRAFT, new_bank
from tests.guardrails.approval_samples import RULES, Assisted, Waiting
from tests.guardrails.authorize_samples import Desk, conversation, in_mode

pytestmark = pytest.mark.anyio
BETTER = DRAFT.body.replace("A new hire is a good moment", "A new colleague is a good moment")


class Reviewing:
    """The guardrails server: a real gate."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.trouble: list[Exception] = []

    async def call(self, _server: str, _spec: Any, args: ReviewLead) -> Any:
        if self.trouble:
            raise self.trouble.pop(0)
        return await self._desk.gate.review(args)


class Here:
    """A text that waits, and everything an edit of it goes through."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.waiting = Waiting(desk)
        self.inbox = Inbox(desk.store, desk.clock)
        self.server = Reviewing(desk)
        self.told: list[str] = []
        self.edited = 0
        cases = Cases(desk.audit, desk.store)
        self.edits = Edits(
            Parts(
                desk.store,
                self.waiting.approvals,
                cases,
                self.server,
                RULES,
                desk.clock,
                self._tell,
            )
        )

    def _tell(self, _conn: Connection, _key: str, said: str, _edit: Edit, _at: datetime) -> None:
        self.told.append(said)

    async def edit(
        self, old: Approval, body: str = BETTER, by: str = "Ada", **changes: Any
    ) -> Received:
        edit = Edit(
            **{
                "approval_id": old.approval_id, "content_hash": old.content_hash,
                "subject": DRAFT.subject, "body": body, "by": self.waiting.who(by).id,
                "via": "slack", **changes,
            }
        )  # fmt: skip
        self.edited += 1
        name = str(self.edited)
        await self.desk.store.run(lambda conn: submit(conn, edit, name, self.desk.clock()))
        (received,) = await self.inbox.next_batch(10)
        return received

    async def all(self) -> dict[str, ApprovalState]:
        query = text("SELECT approval_id, state FROM approvals")
        found = await self.desk.store.query(lambda conn: conn.execute(query).all())
        return {row.approval_id: ApprovalState(row.state) for row in found}


@pytest.fixture
def here(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Here]:
    audit = AuditLog(hive, sqlite_store, clock)
    config = in_mode(Mode.ASSISTED)
    yield Here(Assisted(hive, sqlite_store, clock, audit, new_bank(hive, clock), config))
    audit.close()


async def test_a_text_that_passes_waits_in_the_place_of_the_old_one(here: Here) -> None:
    old = await here.waiting.asked()
    told = await here.edits.take(await here.edit(old))
    states = await here.all()
    assert states[old.approval_id] is ApprovalState.SUPERSEDED
    (new_id,) = [one for one in states if one != old.approval_id]
    assert told == f"waits as {new_id}"
    new = await here.waiting.approvals.get(new_id)
    assert new is not None
    assert (new.state, new.author, new.supersedes) == (
        ApprovalState.WAITING, here.waiting.who("Ada").id, old.approval_id,
    )  # fmt: skip
    case = await Cases(here.desk.audit, here.desk.store).of(new)
    assert "A new colleague" in case.draft.body
    assert here.told == []


async def test_the_author_cannot_approve_it_and_somebody_else_can_and_exactly_it_goes_out(
    here: Here,
) -> None:
    old = await here.waiting.asked()
    await here.edits.take(await here.edit(old))
    (new,) = await here.waiting.approvals.waiting()
    approvals, who = here.waiting.approvals, here.waiting.who
    own = await approvals.approve(new.approval_id, new.content_hash, who("Ada"), "slack")
    assert own.kind is AnswerKind.NOT_PERMITTED
    other = await approvals.approve(new.approval_id, new.content_hash, who("Ben"), "slack")
    assert other.kind is AnswerKind.DONE
    record = here.desk.audit.find(new.decision_audit_id)
    assert record is not None
    case = await Cases(here.desk.audit, here.desk.store).of(new)
    send = {"audit_id": new.decision_audit_id}
    decision = (await here.desk.decided(draft=case.draft)).model_copy(update=send)
    given = await here.desk.send(decision, conversation(body=case.draft.body))
    assert given.verdict == "permitted", given.reasons
    old_text = await here.desk.send(
        decision.model_copy(update={"audit_id": old.decision_audit_id}), conversation()
    )
    assert [reason.code for reason in old_text.reasons] == ["approval_superseded"]


async def test_an_edit_that_is_taken_back_to_the_letter_loses_nothing(here: Here) -> None:
    """That text has ended: its approval cannot wait again, so the one that waits goes on."""
    old = await here.waiting.asked()
    await here.edits.take(await here.edit(old))
    new_id = next(one for one in await here.all() if one != old.approval_id)
    new = await here.waiting.approvals.get(new_id)
    assert new is not None
    said = await here.edits.take(await here.edit(new, DRAFT.body, by="Ben"))
    assert (await here.all())[new_id] is ApprovalState.WAITING
    assert "waited before" in said
    assert here.told == [said]


async def test_a_text_that_a_guardrail_stops_is_told_and_the_old_one_goes_on_waiting(
    here: Here,
) -> None:
    old = await here.waiting.asked()
    received = await here.edit(old, body="Just wanted to say: free money!")
    told = await here.edits.take(received)
    assert "may not go out, the old one still waits" in told
    assert here.told == [told]
    assert await here.all() == {old.approval_id: ApprovalState.WAITING}
    assert await here.inbox.next_batch(10) == []


async def test_claims_that_the_new_text_does_not_make_are_dropped_and_none_is_added() -> None:
    changed = edited(DRAFT, "Other", DRAFT.body.replace("Data Analyst", "colleague"))
    assert [claim.text for claim in changed.claims] == ["Chief Operating Officer"]
    assert changed.sender == DRAFT.sender
    assert changed.links == DRAFT.links


async def test_who_decided_meanwhile_was_first(here: Here) -> None:
    old = await here.waiting.asked()
    received = await here.edit(old)
    await here.waiting.approvals.approve(
        old.approval_id, old.content_hash, here.waiting.who("Ben"), "slack"
    )
    told = await here.edits.take(received)
    assert "approved by Ben" in told
    assert here.told == [told]
    assert list(await here.all()) == [old.approval_id]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"by": "U-0000000000000000"}, "Only an approver"),
        ({"content_hash": "0" * 64}, "another one than this"),
        ({"approval_id": "AP-none"}, "no such approval"),
        ({"subject": DRAFT.subject, "body": DRAFT.body}, "Nothing was changed"),
    ],
)
async def test_what_cannot_be_an_edit_changes_nothing_and_is_answered(
    here: Here, changes: dict[str, Any], said: str
) -> None:
    old = await here.waiting.asked()
    edit = {
        "approval_id": old.approval_id, "content_hash": old.content_hash, "subject": "Hiring, AI",
        "body": BETTER, "by": here.waiting.who("Ada").id, "via": "slack", **changes,
    }  # fmt: skip
    received = Received("edit:1", Source.EDIT, "edit", json.dumps(edit), here.desk.clock(), 0)
    await here.desk.store.run(
        lambda conn: submit(conn, Edit.model_validate(edit), "1", here.desk.clock())
    )
    assert said in await here.edits.take(received)
    assert len(here.told) == 1
    assert await here.all() == {old.approval_id: ApprovalState.WAITING}


async def test_after_its_time_it_is_too_late_for_a_new_text(here: Here) -> None:
    old = await here.waiting.asked()
    received = await here.edit(old)
    here.desk.clock.step(days=2)
    assert "expired" in await here.edits.take(received)


async def test_a_crash_between_the_old_end_and_the_new_beginning_is_gone_on_with(
    here: Here,
) -> None:
    old = await here.waiting.asked()
    received = await here.edit(old)
    ended = await here.waiting.approvals.supersede(old.approval_id)
    assert ended.kind is AnswerKind.DONE  # ... and the queen died here
    told = await here.edits.take(received)
    assert told.startswith("waits as AP-")
    again = await here.edits.take(received)
    assert "superseded" in again  # twice taken up: one text waits
    assert sorted((await here.all()).values()) == ["superseded", "waiting"]


async def test_guardrails_that_are_away_leave_it_in_the_inbox(here: Here) -> None:
    old = await here.waiting.asked()
    received = await here.edit(old)
    here.server.trouble.append(ServerUnavailable("gone"))
    with pytest.raises(ServerUnavailable):
        await here.edits.take(received)
    assert len(await here.inbox.next_batch(10)) == 1
    assert (await here.edits.take(received)).startswith("waits as AP-")


async def test_who_submits_a_text_again_that_could_not_be_worked_on_is_heard(here: Here) -> None:
    """The same text by the same person is the same delivery: it must not stay failed for ever."""
    old = await here.waiting.asked()
    received = await here.edit(old)
    for _ in range(MAX_ATTEMPTS):
        await here.inbox.fail(received.id, "server_unavailable")
    assert await here.inbox.next_batch(10) == []
    here.edited -= 1
    assert (await here.edits.take(await here.edit(old))).startswith("waits as AP-")
    here.edited -= 1
    with pytest.raises(ValueError, match="unpack"):  # what has ended does not begin again
        await here.edit(old)


async def test_two_edits_of_one_text_at_once_make_one_that_waits(here: Here) -> None:
    old = await here.waiting.asked()
    first = await here.edit(old)
    other = Edit(
        approval_id=old.approval_id, content_hash=old.content_hash, subject="Hiring, and AI",
        body=BETTER, by=here.waiting.who("Ben").id, via="slack",
    )  # fmt: skip
    await here.desk.store.run(lambda conn: submit(conn, other, "2", here.desk.clock()))
    second = next(one for one in await here.inbox.next_batch(10) if one.id == "edit:2")
    await asyncio.gather(here.edits.take(first), here.edits.take(second))
    states = sorted((await here.all()).values())
    assert states == ["superseded", "waiting"]
    assert len(here.told) == 1


@pytest.mark.parametrize("body", ["", "no json", '{"approval_id": "AP-1"}'])
async def test_what_is_no_edit_is_refused(here: Here, body: str) -> None:
    received = Received("edit:1", Source.EDIT, "edit", body, here.desk.clock(), 0)
    with pytest.raises(BadInput):
        await here.edits.take(received)
