"""Leave for every write that is no e-mail: what needs the lead's decision, and what needs none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from guardrails.audit import AuditLog
from guardrails.authorize_rules import RULES, allowed_during_stop
from guardrails.errors import AuditBroken, AuditUnwritable, BadInput, Refused, Stopped
from guardrails.hive import Hive
from guardrails.model import Mode, WriteAction, WriteIntent
from guardrails.store import Store
from guardrails.store.tables import documents
from guardrails.suppression import suppress
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, dossier, new_bank
from tests.guardrails.authorize_samples import (
    CONTACT,
    EMAIL,
    KNOWN,
    Desk,
    codes,
    conversation,
    in_mode,
    note,
)

pytestmark = pytest.mark.anyio
LEAD = DOSSIER.lead.lead_id
OF_A_LEAD = sorted(action for action, rule in RULES.items() if rule.needs == "decision")
OF_NOBODY = sorted(action for action, rule in RULES.items() if rule.needs == "nothing")
PROTECTING = {"pause_campaign", "block_address", "set_dnd", "remove_from_workflow"}


@pytest.fixture
def desk(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Desk]:
    audit = AuditLog(hive, sqlite_store, clock)
    yield Desk(hive, sqlite_store, clock, audit, new_bank(hive, clock))
    audit.close()


def intent(action: WriteAction, recipient: str | None = None) -> WriteIntent:
    """Some write of this kind."""
    whom = {
        WriteAction.UPSERT_CONTACT: EMAIL,
        WriteAction.CREATE_CAMPAIGN: "campaign:Swarm first e-mails (America/Detroit 08:00-18:00)",
        WriteAction.BLOCK_ADDRESS: "no@thanks.example",
    }
    campaign = "campaign" in action.value or action is WriteAction.BLOCK_ADDRESS
    return WriteIntent(
        vendor="instantly" if campaign else "ghl",
        action=action,
        recipient=recipient or whom.get(action, f"contact:{CONTACT}"),
        content={"n": 1},
    )


def test_every_action_is_an_email_or_in_the_table_and_never_both() -> None:
    for action in WriteAction:
        assert action.is_email != (action in RULES), action


def test_a_stop_leaves_what_only_makes_less_go_out() -> None:
    assert {action.value for action in WriteAction if allowed_during_stop(action)} == PROTECTING


@pytest.mark.parametrize("action", OF_A_LEAD)
async def test_what_concerns_a_lead_needs_their_decision(desk: Desk, action: WriteAction) -> None:
    wanted = intent(action)
    without = await desk.write("w:1", wanted, lead_id=LEAD)
    assert (without.verdict, codes(without)) == ("refused", ["no_decision"])
    decision = await desk.decided(dossier=dossier(crm=KNOWN))
    given = await desk.write("w:1", wanted, decision_audit_id=decision.audit_id)
    assert given.verdict == "permitted"
    await desk.spend(given, wanted)
    await desk.end("w:1", "sent")
    again = await desk.write("w:1", wanted, decision_audit_id=decision.audit_id)
    assert (again.verdict, again.permit) == ("already", None)


@pytest.mark.parametrize("action", OF_NOBODY)
async def test_what_concerns_nobody_or_protects_needs_none(desk: Desk, action: WriteAction) -> None:
    given = await desk.write("w:1", intent(action))
    assert given.verdict == "permitted"
    row = await desk.row("w:1")
    assert row is not None
    assert not row.counts
    assert await desk.spend(given, intent(action))
    records = desk.records()
    assert [record["body"]["action"] for record in records] == [action.value]


@pytest.mark.parametrize("action", list(RULES))
async def test_in_shadow_nothing_is_written(desk: Desk, action: WriteAction) -> None:
    shadow = desk.under(in_mode(Mode.SHADOW))
    decision = await shadow.decided()
    given = await shadow.write("w:1", intent(action), decision_audit_id=decision.audit_id)
    assert given.verdict == "refused"
    assert codes(given)[0] == "mode_shadow"
    assert await shadow.row("w:1") is None


@pytest.mark.parametrize("action", list(RULES))
async def test_during_a_stop_nothing_gets_a_permit(desk: Desk, action: WriteAction) -> None:
    decision = await desk.decided()
    desk.hive.stop_file.write_text("fire drill\n")
    with pytest.raises(Stopped, match="fire drill"):
        await desk.write("w:1", intent(action), decision_audit_id=decision.audit_id)
    assert (await desk.row("w:1"), desk.records()) == (None, [])


async def test_a_decision_about_another_lead_or_run_does_not_do(desk: Desk) -> None:
    decision = await desk.decided()
    for about in ({"lead_id": "L-other"}, {"run_id": "run-9"}):
        given = await desk.write("w:1", note(), decision_audit_id=decision.audit_id, **about)
        assert codes(given) == ["other_lead"]


async def test_a_contact_of_another_address_is_not_touched(desk: Desk) -> None:
    decision = await desk.decided()
    other = intent(WriteAction.UPSERT_CONTACT, "bo@northwind.example")
    given = await desk.write("w:1", other, decision_audit_id=decision.audit_id)
    assert codes(given) == ["other_recipient"]


async def test_a_lead_that_was_not_let_go_is_not_written_about(desk: Desk) -> None:
    turned_away = await desk.decided(dossier=dossier({"customer": True}))
    given = await desk.write("w:1", note(), decision_audit_id=turned_away.audit_id)
    assert codes(given) == ["not_ready"]


async def test_the_crm_is_told_of_an_email_that_went_out_however_much_has_changed(
    desk: Desk, clock: SteppableClock
) -> None:
    decision = await desk.decided()
    given = await desk.send(decision)
    await desk.spend(given, conversation())
    await desk.end(given.key, "unknown")
    clock.step(days=30)
    later = desk.under(in_mode(Mode.LIVE, per_day=24))
    about: dict[str, Any] = {"decision_audit_id": decision.audit_id}
    assert codes(await later.write("note:1", note(), **about)) == ["policy_changed", "decision_old"]
    await desk.end(given.key, "sent")
    assert (await later.write("note:1", note(), **about)).verdict == "permitted"


async def test_somebody_who_said_no_is_put_into_no_workflow(
    desk: Desk, clock: SteppableClock
) -> None:
    decision = await desk.decided(dossier=dossier(crm=KNOWN))
    with desk.store.transaction() as conn:
        suppress(conn, desk.hive.salt(), EMAIL, "email", "opt_out", "reply", clock())
    about: dict[str, Any] = {"decision_audit_id": decision.audit_id}
    added = await desk.write("w:1", intent(WriteAction.ADD_TO_WORKFLOW), **about)
    assert codes(added) == ["suppressed"]
    for action in (WriteAction.REMOVE_FROM_WORKFLOW, WriteAction.SET_DND, WriteAction.ADD_NOTE):
        assert (await desk.write(f"{action}:1", intent(action), **about)).verdict == "permitted"


async def test_nobody_else_is_put_into_a_workflow_by_a_decision_about_a_lead(desk: Desk) -> None:
    """The contact may be of somebody who said no: the decision's own is the one that was judged."""
    known = await desk.decided(dossier=dossier(crm=KNOWN))
    unknown = await desk.decided(run_id="run-2")
    other = intent(WriteAction.ADD_TO_WORKFLOW, "contact:c-bo")
    for decision, wanted in ((known, other), (unknown, intent(WriteAction.ADD_TO_WORKFLOW))):
        given = await desk.write("w:1", wanted, decision_audit_id=decision.audit_id)
        assert codes(given) == ["other_contact"]


@pytest.mark.parametrize(
    "name", ["Black Friday", "Swarm first e-mails 2", "Swarm first e-mails (a) (b)", ""]
)
async def test_no_campaign_of_another_name_is_made(desk: Desk, name: str) -> None:
    given = await desk.write("w:1", intent(WriteAction.CREATE_CAMPAIGN, f"campaign:{name}"))
    assert (given.verdict, codes(given)) == ("refused", ["other_campaign"])


async def test_an_email_does_not_go_by_this_door(desk: Desk) -> None:
    decision = await desk.decided()
    about: dict[str, Any] = {"decision_audit_id": decision.audit_id}
    with pytest.raises(BadInput, match="authorize_send"):
        await desk.write("w:1", conversation(), **about)
    with pytest.raises(BadInput, match="keys that begin"):
        await desk.write(f"send:{decision.audit_id}", note(), **about)


async def test_the_same_key_is_for_the_same_write(desk: Desk) -> None:
    decision = await desk.decided()
    about: dict[str, Any] = {"decision_audit_id": decision.audit_id}
    assert (await desk.write("note:1", note(), **about)).verdict == "permitted"
    other = await desk.write("note:1", note("Something else."), **about)
    assert (other.verdict, codes(other)) == ("refused", ["other_write"])


@pytest.mark.parametrize(
    ("action", "verdict"),
    [(WriteAction.ADD_NOTE, "refused"), (WriteAction.ADD_TAGS, "permitted")],
)
async def test_of_unknown_fate_only_what_the_vendor_takes_twice_is_tried_again(
    desk: Desk, action: WriteAction, verdict: str
) -> None:
    decision = await desk.decided()
    about: dict[str, Any] = {"decision_audit_id": decision.audit_id}
    given = await desk.write("w:1", intent(action), **about)
    await desk.spend(given, intent(action))
    await desk.end("w:1", "unknown")
    assert (await desk.write("w:1", intent(action), **about)).verdict == verdict


async def test_caps_and_hours_are_for_emails(desk: Desk, clock: SteppableClock) -> None:
    decision = await desk.decided()
    clock.step(days=4)  # a Saturday
    for number in range(30):
        wanted = note(f"number {number}")
        given = await desk.write(f"note:{number}", wanted, decision_audit_id=decision.audit_id)
        assert given.verdict == "permitted"


async def test_a_bank_that_cannot_be_read_does_not_keep_a_campaign_running(desk: Desk) -> None:
    desk.hive.bank_file.write_bytes(b"{")
    given = await desk.write("pause:1", intent(WriteAction.PAUSE_CAMPAIGN))
    assert given.verdict == "permitted"
    assert desk.records()[0]["body"]["bank_version"] == "not_consulted"


async def test_without_a_record_there_is_no_permit(desk: Desk) -> None:
    await desk.decided()
    desk.hive.audit_dir.rename(desk.hive.path / "gone")
    with pytest.raises((AuditUnwritable, AuditBroken)):
        await desk.write("pause:1", intent(WriteAction.PAUSE_CAMPAIGN))
    row = await desk.row("pause:1")
    assert row is not None
    assert (row.status, row.permit_id) == ("claimed", None)
    (desk.hive.path / "gone").rename(desk.hive.audit_dir)
    given = await desk.write("pause:1", intent(WriteAction.PAUSE_CAMPAIGN))
    assert await desk.spend(given, intent(WriteAction.PAUSE_CAMPAIGN))
    with pytest.raises(Refused, match="used"):
        await desk.spend(given, intent(WriteAction.PAUSE_CAMPAIGN))


async def test_nothing_is_written_about_somebody_who_was_erased(desk: Desk) -> None:
    decision = await desk.decided()
    with desk.store.transaction() as conn:
        conn.execute(delete(documents).where(documents.c.lead_id == decision.lead_id))
    given = await desk.write("w:1", note(), decision_audit_id=decision.audit_id)
    assert codes(given) == ["decision_erased"]
