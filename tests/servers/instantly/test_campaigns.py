"""One campaign of a name, that renders approved texts only; started and held as it reads back."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from guardrails.errors import NotFound, Refused, VendorRejected
from servers.instantly.campaign_form import definition
from servers.instantly.contract_reads import CampaignAnalytics, FindCampaign, ListRunning
from servers.instantly.contract_writes import ActivateCampaign, PauseAll, PauseCampaign
from tests.servers.instantly.desk import ANA, BODY, HTTP_500, SENDER, Desk

pytestmark = pytest.mark.anyio
LATE = httpx.ReadTimeout("late")
RESET = httpx.RemoteProtocolError("reset")


def starting(campaign_id: str, key: str = "start:1") -> ActivateCampaign:
    return ActivateCampaign(key=key, permit="none", campaign_id=campaign_id)


def holding(campaign_id: str) -> PauseCampaign:
    return PauseCampaign(key=f"pause:{campaign_id}", permit="none", campaign_id=campaign_id)


def ours(desk: Desk) -> list[dict[str, Any]]:
    held = desk.twin.workspace.campaigns.values()
    return [one for one in held if one["name"].startswith("Swarm")]


async def test_it_is_made_as_a_draft_found_again_and_started(desk: Desk) -> None:
    tools = desk.tools.campaigns
    made = await tools.ensure_campaign(await desk.permitted(desk.ensuring()))
    assert (made.status, made.campaign_status) == ("sent", "draft")
    assert made.vendor_ref is not None
    found = await tools.find_campaign(FindCampaign(campaign=desk.spec()))
    assert found.campaign is not None
    assert (found.campaign.id, found.differs) == (made.vendor_ref, ())
    again = await desk.server().campaigns.ensure_campaign(desk.ensuring())
    assert (again.status, again.vendor_ref) == ("already", made.vendor_ref)
    started = await tools.activate_campaign(await desk.permitted(starting(made.vendor_ref)))
    assert started.status == desk.status("start:1") == "sent"
    sent = await desk.permitted(desk.enrolling(made.vendor_ref))
    await desk.tools.leads.enrol_lead(sent)
    assert [one["text"] for one in desk.outbox()] == [BODY]


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("fault", [LATE, RESET, HTTP_500])
async def test_whatever_the_wire_does_no_campaign_is_doubled(
    desk: Desk, fault: Any, acted: bool
) -> None:
    args = await desk.permitted(desk.ensuring())
    (desk.wire.after if acted else desk.wire.before).append(fault)
    made = await desk.tools.campaigns.ensure_campaign(args)
    assert made.status == desk.status(args.key) == ("sent" if acted else "unknown")
    again = await desk.server().campaigns.ensure_campaign(args)
    assert again.status == ("already" if acted else "unknown")
    assert len(ours(desk)) == (1 if acted else 0)
    assert len(desk.wire.writes) == 1


async def test_a_list_that_lags_doubles_no_campaign(desk: Desk) -> None:
    desk.app.site.behaviour.instantly_list_lag_s = 60
    args = await desk.permitted(desk.ensuring())
    assert (await desk.tools.campaigns.ensure_campaign(args)).status == "sent"
    assert (await desk.server().campaigns.ensure_campaign(args)).status == "already"
    assert (len(ours(desk)), len(desk.wire.writes)) == (1, 1)


async def test_one_that_may_have_been_made_is_made_again_by_nobody(desk: Desk) -> None:
    desk.app.site.behaviour.instantly_list_lag_s = 60
    desk.wire.after.append(LATE)
    args = await desk.permitted(desk.ensuring())
    for server in (desk.tools, desk.server()):
        assert (await server.campaigns.ensure_campaign(args)).status == "unknown"
    desk.clock.step(60)
    assert (await desk.server().campaigns.ensure_campaign(args)).status == "already"
    assert (len(ours(desk)), desk.status(args.key)) == (1, "sent")


async def test_it_is_made_under_its_own_key_alone(desk: Desk) -> None:
    with pytest.raises(Refused, match="own key"):
        await desk.tools.campaigns.ensure_campaign(
            desk.ensuring().model_copy(update={"key": "another"})
        )


DIFFERENCES: list[tuple[dict[str, Any], str]] = [
    ({"sequences": [{"steps": []}]}, "exactly one sequence"),
    ({"email_list": [SENDER, "b@agency.example"]}, "2 mailboxes"),
    ({"email_list": ["b@agency.example"]}, "does not send from"),
    ({"open_tracking": None}, "open_tracking is None"),
    ({"link_tracking": True}, "link_tracking is True"),
    ({"insert_unsubscribe_header": False}, "insert_unsubscribe_header"),
    ({"stop_on_reply": False}, "stop_on_reply"),
    ({"bcc_list": ["b@agency.example"]}, "bcc_list is set"),
    ({"email_tag_list": ["0"]}, "email_tag_list is set"),
    ({"text_only": True}, "text_only is set"),
    ({"daily_limit": 500}, "daily limit is 500"),
    ({"campaign_schedule": {"schedules": []}}, "schedule cannot be read"),
]


async def test_one_of_that_name_that_says_anything_else_is_refused_with_what_differs(
    desk: Desk,
) -> None:
    campaign = ours_made(desk)
    for changed, said in DIFFERENCES:
        kept = dict(campaign)
        campaign |= changed
        with pytest.raises(Refused, match=re.escape(said)):
            await desk.tools.campaigns.ensure_campaign(desk.ensuring())
        found = await desk.tools.campaigns.find_campaign(FindCampaign(campaign=desk.spec()))
        assert any(said in one for one in found.differs)
        campaign |= kept
        for name in changed.keys() - kept.keys():
            del campaign[name]
    assert desk.wire.writes == []


STEPS: list[dict[str, Any]] = [
    {"variants": [{"subject": "{{swarm_subject}}", "body": "{{swarm_body}} PS: act now"}]},
    {"variants": [{"subject": "{{ swarm_subject }}", "body": "{{swarm_body}}"}]},
    {"variants": [{"subject": "", "body": "{{swarm_body}}"}]},
    {"variants": [{"subject": "{{swarm_subject}}", "body": "{{swarm_body}}"}] * 2},
    {"type": "call"},
]


async def test_a_step_that_renders_anything_else_is_refused(desk: Desk) -> None:
    step = ours_made(desk)["sequences"][0]["steps"][0]
    for changed in STEPS:
        kept = dict(step)
        step |= changed
        with pytest.raises(Refused, match=r"its step|one sequence"):
            await desk.tools.campaigns.ensure_campaign(desk.ensuring())
        step |= kept


async def test_two_of_one_name_are_refused(desk: Desk) -> None:
    ours_made(desk)
    ours_made(desk)
    with pytest.raises(Refused, match="several campaigns"):
        await desk.tools.campaigns.find_campaign(FindCampaign(campaign=desk.spec()))


async def test_a_schedule_outside_the_recipients_window_is_refused(desk: Desk) -> None:
    args = desk.ensuring(desk.spec("America/New_York"), zone="America/Los_Angeles")
    with pytest.raises(Refused, match="outside the recipients' window"):
        await desk.tools.campaigns.ensure_campaign(args)
    with pytest.raises(Refused, match="a day from a mailbox"):
        await desk.tools.campaigns.ensure_campaign(desk.ensuring(desk.spec(daily_limit=31)))
    assert desk.wire.writes == []


async def test_a_campaign_with_leads_that_nobody_approved_is_not_started(desk: Desk) -> None:
    campaign = desk.campaign("draft")
    desk.twin.workspace.add_lead({"email": ANA}, campaign)
    with pytest.raises(Refused, match="1 leads of the campaign were not enrolled by the swarm"):
        await desk.tools.campaigns.activate_campaign(await desk.permitted(starting(campaign)))
    assert desk.wire.writes == desk.outbox() == []


async def test_a_campaign_of_somebody_else_is_not_started(desk: Desk) -> None:
    other = next(iter(desk.twin.workspace.campaigns))
    with pytest.raises(Refused, match="not as it shall be"):
        await desk.tools.campaigns.activate_campaign(await desk.permitted(starting(other)))


async def test_one_that_the_vendor_holds_is_not_started(desk: Desk) -> None:
    campaign = desk.campaign()
    for status in (-1, -2, -99):
        desk.twin.workspace.campaigns[campaign]["status"] = status
        with pytest.raises(Refused, match="Instantly holds the campaign"):
            await desk.tools.campaigns.activate_campaign(starting(campaign))


async def test_a_key_that_started_it_before_does_not_start_it_again(desk: Desk) -> None:
    campaign = desk.campaign("draft")
    args = await desk.permitted(starting(campaign))
    await desk.tools.campaigns.activate_campaign(args)
    assert (await desk.tools.campaigns.activate_campaign(args)).status == "already"
    await desk.tools.pauses.pause_campaign(await desk.permitted(holding(campaign)))
    with pytest.raises(Refused, match="started under this key before, and it is paused now"):
        await desk.tools.campaigns.activate_campaign(args)


async def test_a_pause_is_tried_again_and_counts_when_it_reads_back(desk: Desk) -> None:
    campaign = desk.campaign()
    desk.wire.before.append(HTTP_500)
    desk.wire.after.append(LATE)
    held = await desk.tools.pauses.pause_campaign(await desk.permitted(holding(campaign)))
    assert held.status == "sent"
    assert desk.twin.workspace.campaigns[campaign]["status"] == 2
    again = await desk.tools.pauses.pause_campaign(holding(campaign))
    assert again.status == "already"


async def test_pausing_all_reads_every_page_and_names_what_runs_on(desk: Desk) -> None:
    for number in range(110):
        desk.campaign("active" if number % 25 == 0 else "paused", name=f"Campaign {number}")
    running = await desk.tools.pauses.list_running(ListRunning())
    assert len(running.campaigns) == 6  # the seeded one, and ours
    stubborn, *named, forgotten = (one.id for one in running.campaigns)
    pauses = [await desk.permitted(holding(one)) for one in named]
    refused = holding(stubborn)  # without a permit
    result = await desk.tools.pauses.pause_all(PauseAll(pauses=(refused, *pauses)))
    assert set(result.paused) == set(named)
    assert result.not_verified.keys() == {stubborn, forgotten}
    assert "nobody named it" in result.not_verified[forgotten]


async def test_pausing_all_without_reading_back_verifies_nothing(desk: Desk) -> None:
    campaign = desk.campaign()
    pauses = (await desk.permitted(holding(campaign)),)
    desk.app.site.behaviour.outage = {"instantly": 503}
    result = await desk.tools.pauses.pause_all(PauseAll(pauses=pauses))
    assert result.paused == ()
    assert result.not_verified.keys() == {campaign, "*"}


async def test_counts_are_of_the_campaign_that_was_asked_for(desk: Desk) -> None:
    campaign = desk.campaign()
    await desk.tools.leads.enrol_lead(await desk.permitted(desk.enrolling(campaign)))
    asked = CampaignAnalytics(campaign_id=campaign, since="2026-03-01", until="2026-03-31")
    counted = await desk.tools.campaigns.campaign_analytics(asked)
    assert (counted.campaign.id, counted.leads, counted.sent) == (campaign, 1, 1)
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(NotFound):
        await desk.tools.campaigns.campaign_analytics(CampaignAnalytics(campaign_id=unknown))
    with pytest.raises(VendorRejected):
        await desk.tools.pauses.pause_campaign(holding(unknown))


def ours_made(desk: Desk) -> dict[str, Any]:
    """The campaign as it shall be, made earlier."""
    return desk.twin.workspace.add_campaign(definition(desk.spec()))
