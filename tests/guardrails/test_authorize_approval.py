"""A person's yes at the moment of sending: whose, for what, and what it does not cover."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import jwt
import pytest
from sqlalchemy import text

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.explain import explain
from guardrails.hive import Hive
from guardrails.model import CrmView, Decision, Mode, WriteAction, WriteIntent
from guardrails.replay import find_decision, replay
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.decision_samples import NOW, dossier, new_bank
from tests.guardrails.approval_samples import Assisted, Waiting, people
from tests.guardrails.authorize_samples import (
    CONTACT,
    KNOWN,
    Desk,
    codes,
    conversation,
    in_mode,
    note,
)

pytestmark = pytest.mark.anyio


ROLE_ACCOUNT = dossier(lead={"email": "info@northwind.example"})
TO_ROLE_ACCOUNT = conversation(recipient="info@northwind.example")


@pytest.fixture
def audit(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[AuditLog]:
    log = AuditLog(hive, sqlite_store, clock)
    yield log
    log.close()


@pytest.fixture
def desk(hive: Hive, sqlite_store: Store, clock: SteppableClock, audit: AuditLog) -> Assisted:
    config = in_mode(Mode.ASSISTED)
    return Assisted(hive, sqlite_store, clock, audit, new_bank(hive, clock), config)


async def approved(desk: Desk, decision: Decision, by: str = "Ada", **about: object) -> None:
    """Ask for a person, and they say yes."""
    here = Waiting(desk)
    asked = await here.asked(decision, **about)
    answer = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who(by), "slack"
    )
    assert answer.kind == "done"


async def test_without_a_person_nothing_goes_out(desk: Desk) -> None:
    decision = await desk.decided()
    assert decision.state == "awaiting_approval"
    assert codes(await desk.send(decision)) == ["approval_missing"]
    await Waiting(desk).asked(decision)
    assert codes(await desk.send(decision)) == ["approval_missing"]


async def test_a_yes_gets_a_permit_that_names_the_approver(desk: Desk) -> None:
    decision = await desk.decided()
    await approved(desk, decision)
    given = await desk.send(decision)
    assert given.verdict == "permitted"
    assert given.permit is not None
    minted = jwt.decode(given.permit, options={"verify_signature": False})
    ada = Waiting(desk).who("Ada")
    assert minted["approver"] == ada.id
    (record,) = desk.records()
    assert record["body"]["approver"] == ada.id


async def test_a_yes_to_an_email_is_none_to_what_a_workflow_writes(desk: Desk) -> None:
    decision = await desk.decided(dossier=dossier(crm=KNOWN))
    await approved(desk, decision)
    given = await desk.send(decision)
    await desk.spend(given, conversation())
    await desk.end(given.key, "sent")
    joins = WriteIntent(
        vendor="ghl", action=WriteAction.ADD_TO_WORKFLOW, recipient=f"contact:{CONTACT}",
        content={"workflow_id": "W1"},
    )  # fmt: skip
    refused = await desk.write("w:1", joins, decision_audit_id=decision.audit_id)
    assert codes(refused) == ["workflow_unattended"]
    told = await desk.write("note:1", note(), decision_audit_id=decision.audit_id)
    assert told.verdict == "permitted"


async def test_who_asks_about_a_lead_is_told_its_decision_whatever_came_after(
    desk: Assisted, sqlite_store: Store
) -> None:
    decision = await desk.decided()
    assert find_decision(desk.audit, decision.lead_id)[1] is None
    await approved(desk, decision)
    (word,) = desk.records("approval")
    told, newest = find_decision(desk.audit, decision.lead_id)
    assert (told["audit_id"], newest) == (decision.audit_id, word)
    assert replay(desk.audit, sqlite_store, decision.lead_id).same
    await desk.send(decision)
    (leave,) = desk.records()
    told, newest = find_decision(desk.audit, decision.lead_id)
    assert (told["audit_id"], newest) == (decision.audit_id, leave)
    assert f"swarm explain {leave['audit_id']}" in explain(told, newest)
    # By its own id each record tells itself.
    assert find_decision(desk.audit, leave["audit_id"]) == (leave, None)


async def test_a_no_an_expiry_and_an_edit_let_nothing_go(desk: Desk) -> None:
    here = Waiting(desk)
    decision = await desk.decided()
    asked = await here.asked(decision)
    await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "cli", reason_code="tone"
    )
    assert codes(await desk.send(decision)) == ["approval_rejected"]


@pytest.mark.parametrize("end", ["expired", "superseded", "withdrawn"])
async def test_what_ended_without_a_yes_is_refused_by_its_name(desk: Desk, end: str) -> None:
    here = Waiting(desk)
    decision = await desk.decided()
    await here.asked(decision)
    query = text("UPDATE approvals SET state = :end")
    await desk.store.run(lambda conn: conn.execute(query, {"end": end}))
    assert codes(await desk.send(decision)) == [f"approval_{end}"]


async def test_a_row_that_says_yes_without_its_record_is_a_forgery(desk: Desk) -> None:
    here = Waiting(desk)
    decision = await desk.decided()
    await here.asked(decision)
    forged = text("UPDATE approvals SET state = 'approved', ended_by = :who")
    who = {"who": here.who("Ada").id}
    await desk.store.run(lambda conn: conn.execute(forged, who))
    assert codes(await desk.send(decision)) == ["approval_forged"]


@pytest.mark.parametrize(
    "change", ["ended_by = 'U-somebody'", "author = 'U-somebody'", "approval_id = 'AP-other'"]
)
async def test_a_row_that_differs_from_its_record_is_a_forgery(desk: Desk, change: str) -> None:
    decision = await desk.decided()
    await approved(desk, decision)
    await desk.store.run(lambda conn: conn.execute(text(f"UPDATE approvals SET {change}")))
    assert codes(await desk.send(decision)) == ["approval_forged"]


async def test_a_rejection_flipped_in_the_database_is_a_forgery(desk: Desk) -> None:
    here = Waiting(desk)
    decision = await desk.decided()
    asked = await here.asked(decision)
    await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "cli", reason_code="tone"
    )
    flip = text("UPDATE approvals SET state = 'approved'")
    await desk.store.run(lambda conn: conn.execute(flip))
    assert codes(await desk.send(decision)) == ["approval_forged"]


async def test_somebody_taken_off_the_list_has_not_approved(desk: Assisted) -> None:
    decision = await desk.decided()
    await approved(desk, decision)

    class Without(Assisted):
        def approvers_of(self, hive: Hive) -> ApproverList:
            return ApproverList(one for one in people(hive.salt()).all() if one.name != "Ada")

    later = Without(desk.hive, desk.store, desk.clock, desk.audit, desk.bank, desk.config)
    assert codes(await later.send(decision)) == ["approver_removed"]


async def test_one_yes_is_for_one_decision(desk: Desk) -> None:
    decision = await desk.decided()
    await approved(desk, decision)
    other = await desk.decided(run_id="run-2")
    assert other.audit_id != decision.audit_id
    assert codes(await desk.send(other)) == ["approval_missing"]


async def test_what_the_person_saw_is_answered_by_their_yes(desk: Desk) -> None:
    decision = await desk.decided(dossier=ROLE_ACCOUNT)
    assert decision.state == "review"
    await approved(desk, decision, by="Ben")
    given = await desk.send(decision, TO_ROLE_ACCOUNT)
    assert given.verdict == "permitted", given.reasons
    (record,) = desk.records()
    texts = [check["text"] for check in record["body"]["checks"]]
    assert any("A person saw this and approved." in each for each in texts)


async def test_hours_and_blocks_hold_for_what_was_marked_for_review_as_well(desk: Desk) -> None:
    decision = await desk.decided(dossier=ROLE_ACCOUNT)
    await approved(desk, decision, by="Ben")
    desk.clock.step(seconds=11 * 3600)  # the recipient sleeps
    given = await desk.send(decision, TO_ROLE_ACCOUNT)
    assert (given.verdict, codes(given)) == ("deferred", ["outside_window"])


async def test_a_reason_for_review_that_arose_since_is_not_covered(desk: Desk) -> None:
    decision = await desk.decided()
    await approved(desk, decision)
    lately = CrmView(contact_id=CONTACT, last_contacted_at=NOW - timedelta(days=3))
    given = await desk.send(decision, crm=lately)
    assert (given.verdict, codes(given)) == ("refused", ["contacted_recently"])


async def test_the_same_reason_of_another_day_is_not_what_the_person_saw(desk: Desk) -> None:
    """They approved knowing of January; since then a colleague wrote."""
    in_january = dossier(crm=CrmView(contact_id=CONTACT, last_contacted_at=NOW - timedelta(60)))
    decision = await desk.decided(dossier=in_january)
    await approved(desk, decision, by="Ben")
    lately = CrmView(contact_id=CONTACT, last_contacted_at=NOW - timedelta(days=1))
    given = await desk.send(decision, crm=lately)
    assert (given.verdict, codes(given)) == ("refused", ["contacted_recently"])
    assert (await desk.send(decision, crm=in_january.crm)).verdict == "permitted"


async def test_live_mode_needs_no_person_but_for_what_is_marked(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, audit: AuditLog
) -> None:
    live = Assisted(hive, sqlite_store, clock, audit, new_bank(hive, clock), in_mode(Mode.LIVE))
    decision = await live.decided(dossier=ROLE_ACCOUNT)
    assert codes(await live.send(decision, TO_ROLE_ACCOUNT)) == ["approval_missing"]
    await approved(live, decision)
    given = await live.send(decision, TO_ROLE_ACCOUNT)
    assert given.verdict == "permitted", given.reasons


async def test_an_approval_given_in_assisted_is_none_in_live(desk: Assisted) -> None:
    decision = await desk.decided()
    await approved(desk, decision)
    live = Assisted(desk.hive, desk.store, desk.clock, desk.audit, desk.bank, in_mode(Mode.LIVE))
    assert "other_mode" in codes(await live.send(decision))
