"""One approved e-mail, at most once: over the twin, real permits, a real ledger and bad wires."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from guardrails.errors import Refused, VendorError, VendorRejected
from guardrails.store.write_tables import writes
from servers.instantly.contract_reads import ListLeads
from servers.instantly.service_leads import SETTLED
from tests.servers.instantly.desk import ANA, BODY, HTTP_429, HTTP_500, SENDER, SUBJECT, Desk

pytestmark = pytest.mark.anyio
LATE = httpx.ReadTimeout("late")
RESET = httpx.RemoteProtocolError("reset")
HTTP_422 = httpx.Response(422, json={"message": "no, and yet it was made"})
TORN = httpx.Response(200, content=b'{"id')
NO_WAY = httpx.ConnectError("no way there")


async def test_the_person_receives_the_approved_text_letter_for_letter(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    result = await desk.tools.leads.enrol_lead(args)
    (sent,) = desk.outbox()
    assert (result.status, result.vendor_ref) == ("sent", sent["ref"])
    assert (sent["sender"], sent["subject"], sent["text"]) == (SENDER, SUBJECT, BODY)
    assert desk.status() == "sent"


async def test_the_same_key_again_is_answered_without_a_request(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    first = await desk.tools.leads.enrol_lead(args)
    again = await desk.server().leads.enrol_lead(args)
    assert (again.status, again.vendor_ref) == ("already", first.vendor_ref)
    assert len(desk.wire.writes) == len(desk.outbox()) == 1


async def test_the_same_key_for_another_text_is_refused(desk: Desk) -> None:
    campaign = desk.campaign()
    await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    with pytest.raises(Refused, match="another write"):
        await desk.tools.leads.enrol_lead(desk.enrolling(campaign, body="Another text."))
    assert len(desk.outbox()) == 1


async def test_a_permit_for_something_else_sends_nothing(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    other = {
        "email": "bob@fresh.example", "subject": "Another subject", "body": "Another body.",
        "sender": "other@agency.example", "campaign_id": desk.campaign(name="Another"),
        "key": "send:2", "permit": "forged",
    }  # fmt: skip
    for field, value in other.items():
        with pytest.raises(Refused):
            await desk.tools.leads.enrol_lead(args.model_copy(update={field: value}))
    assert desk.wire.writes == []


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("fault", [LATE, RESET, HTTP_500, HTTP_422, TORN])
async def test_whatever_the_wire_does_there_is_one_e_mail_at_most_and_nobody_guesses(
    desk: Desk, fault: Any, acted: bool
) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    (desk.wire.after if acted else desk.wire.before).append(fault)
    result = await desk.tools.leads.enrol_lead(args)
    assert result.status == desk.status() == ("sent" if acted else "unknown")
    for server in (desk.tools, desk.server()):
        again = await server.leads.enrol_lead(args)
        assert again.status == ("already" if acted else "unknown")
    assert len(desk.wire.writes) == 1
    assert [sent["text"] for sent in desk.outbox()] == ([BODY] if acted else [])


@pytest.mark.parametrize("fault", [NO_WAY, HTTP_429, httpx.Response(402, json={})])
async def test_what_certainly_did_not_happen_may_be_done_again(desk: Desk, fault: Any) -> None:
    campaign = desk.campaign()
    desk.wire.before += [fault] * 9
    with pytest.raises(VendorError):
        await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    assert desk.status() == "pending"
    desk.wire.before.clear()
    again = await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    assert (again.status, len(desk.outbox())) == ("sent", 1)


async def test_a_refusal_of_the_vendor_ends_it(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    desk.wire.before.append(httpx.Response(400, json={"message": "no"}))
    with pytest.raises(VendorRejected):
        await desk.tools.leads.enrol_lead(args)
    assert (desk.status(), desk.outbox()) == ("failed", [])


async def test_lists_that_lag_are_asked_again_before_it_is_called_sent(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    desk.app.site.behaviour.instantly_list_lag_s = 3
    assert (await desk.tools.leads.enrol_lead(args)).status == "sent"
    assert (desk.status(), len(desk.outbox())) == ("sent", 1)


async def test_a_lag_beyond_patience_is_unknown_until_the_vendor_shows_it(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    desk.app.site.behaviour.instantly_list_lag_s = 60
    assert (await desk.tools.leads.enrol_lead(args)).status == "unknown"
    assert (await desk.reconciled(args)).verdict == "inconclusive"
    desk.clock.step(60)
    found = await desk.reconciled(args)
    assert (found.verdict, found.vendor_ref) == ("done", desk.outbox()[0]["ref"])
    assert (desk.status(), len(desk.wire.writes)) == ("sent", 1)


async def test_an_add_that_was_skipped_is_not_called_sent_though_it_was_answered_200(
    desk: Desk,
) -> None:
    campaign = desk.campaign()
    desk.app.site.behaviour.instantly_list_lag_s = 2
    first = await desk.permitted(desk.enrolling(campaign, key="send:0", body="The first text."))
    await desk.tools.leads.enrol_lead(first)
    desk.twin.workspace.made_at[desk.outbox()[0]["ref"]] = desk.clock().timestamp()  # not listed
    with pytest.raises(Refused, match="already, with other content"):
        await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    assert (desk.status(), [sent["text"] for sent in desk.outbox()]) == (
        "failed", ["The first text."],
    )  # fmt: skip


async def test_a_blocked_address_is_answered_200_and_not_called_sent(desk: Desk) -> None:
    args = desk.enrolling(desk.campaign(), email="anybody@mutedlake.example")
    result = await desk.tools.leads.enrol_lead(await desk.permitted(args))
    assert (result.status, desk.status()) == ("unknown", "unknown")
    desk.clock.step(SETTLED.total_seconds())
    assert (await desk.reconciled(args)).verdict == "not_done"
    assert desk.outbox("anybody@mutedlake.example") == []


async def test_an_address_with_other_content_is_refused_before_anything_is_written(
    desk: Desk,
) -> None:
    campaign = desk.campaign()
    desk.twin.workspace.add_lead({"email": ANA}, campaign)
    with pytest.raises(Refused, match="with other content"):
        await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    assert (desk.wire.writes, desk.status()) == ([], "pending")


async def test_a_campaign_that_does_not_run_takes_nobody(desk: Desk) -> None:
    campaign = desk.campaign()
    args = await desk.permitted(desk.enrolling(campaign))
    for status in (0, 2, 3, 4, -1, -2, -99, 42):
        desk.twin.workspace.campaigns[campaign]["status"] = status
        with pytest.raises(Refused, match="the campaign is"):
            await desk.tools.leads.enrol_lead(args)
    assert (desk.wire.writes, desk.status()) == ([], "pending")


CHANGES: list[dict[str, Any]] = [
    {"email_list": [SENDER, "other@agency.example"]},
    {"email_list": ["other@agency.example"]},
    {"open_tracking": True},
    {"link_tracking": None},
    {"insert_unsubscribe_header": False},
    {"cc_list": ["boss@agency.example"]},
    {"sequences": []},
]


async def test_a_campaign_that_somebody_changed_takes_nobody(desk: Desk) -> None:
    for changed in CHANGES:
        campaign = desk.campaign(name=str(changed), **changed)
        with pytest.raises(Refused, match=r"the campaign (is not as|sends from another)"):
            await desk.tools.leads.enrol_lead(desk.enrolling(campaign, key=str(changed)))
    assert desk.wire.writes == []


async def test_a_text_that_the_vendor_changed_is_shown_to_a_person(desk: Desk) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    await desk.tools.leads.enrol_lead(args)
    (lead,) = desk.twin.workspace.leads_of(ANA)
    await _lose(desk, args.key)
    lead["payload"]["swarm_body"] = "Something else"
    desk.clock.step(SETTLED.total_seconds())
    assert (await desk.reconciled(args)).verdict == "inconclusive"
    assert desk.status() == "unknown"


@pytest.mark.parametrize("status", ["unknown", "dispatching"])
async def test_whoever_comes_after_a_dead_process_finds_the_e_mail_and_sends_no_other(
    desk: Desk, status: str
) -> None:
    args = await desk.permitted(desk.enrolling(desk.campaign()))
    await desk.tools.leads.enrol_lead(args)
    await _lose(desk, args.key, status)
    found = await desk.server().leads.enrol_lead(args)
    assert (found.status, found.vendor_ref) == ("already", desk.outbox()[0]["ref"])
    assert (desk.status(), len(desk.outbox()), len(desk.wire.writes)) == ("sent", 1, 1)


async def test_what_was_never_dispatched_is_not_done(desk: Desk) -> None:
    args = desk.enrolling(desk.campaign())
    assert (await desk.reconciled(args)).verdict == "not_done"


async def test_leads_are_listed_with_the_send_they_came_by(desk: Desk) -> None:
    campaign = desk.campaign()
    await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    desk.twin.workspace.add_lead({"email": "b@other.example"}, campaign)
    seen, cursor = [], None
    for _ in range(3):
        page = await desk.tools.leads.list_leads(
            ListLeads(campaign_id=campaign, limit=1, cursor=cursor)
        )
        seen += [(lead.email, lead.key) for lead in page.leads]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == [(ANA, "send:1"), ("b@other.example", None)]


async def _lose(desk: Desk, key: str, status: str = "unknown") -> None:
    """As if the process had died before it could read back."""
    lost = update(writes).where(writes.c.key == key).values(status=status)
    await desk.office.store.run(lambda conn: conn.execute(lost))
