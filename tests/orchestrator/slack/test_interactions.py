"""Clicks change what they may, once, and everybody is answered."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import select

from guardrails.approval_model import ApprovalState
from guardrails.store.people_tables import inbox
from orchestrator.slack import modals
from orchestrator.slack.acks import Ack
from servers.sandbox import twin_slack_acts as acts
from servers.sandbox.twin_slack_records import CHANNEL_ID
from tests.orchestrator.slack.conftest import ABOUT, Office

pytestmark = pytest.mark.anyio
ANA, BEN, EVA, CAI, DEA, NIL = "U0ANA01", "U0BEN02", "U0EVA03", "U0CAI04", "U0DEA05", "U0NIL06"
APPROVE, EDIT, REJECT = "swarm_approve", "swarm_edit", "swarm_reject"
WAITING = ApprovalState.WAITING
STRANGER = "You are not on the list of approvers, so nothing was changed."


def modal(office: Office, user: str) -> dict:
    held = office.slack.twin.workspace.views.values()
    return next(view for view in reversed(held) if view["user"] == user)


def said(view: dict) -> str:
    return view["blocks"][0]["text"]["text"]


async def edits(office: Office) -> list[dict]:
    query = select(inbox.c.body).where(inbox.c.source == "edit")
    found = await office.waiting.desk.store.query(lambda conn: list(conn.execute(query).scalars()))
    return [json.loads(body) for body in found]


async def test_a_yes_lets_it_go_and_takes_the_buttons(office: Office) -> None:
    asked, ts = await office.posted()
    assert await office.click(ANA, ts, APPROVE) == Ack(200)
    assert office.waiting.let_go == [asked.approval_id]
    (said_alone,) = office.slack.twin.workspace.ephemeral
    assert (said_alone["user"], said_alone["text"]) == (
        ANA, f"{ABOUT}: Approved: it goes out in its recipient's hours.",
    )  # fmt: skip
    await office.settle(1)
    assert office.card(asked)["text"] == "E-mail to Ana Reyes, Northwind Studio — approved"
    assert not [b for b in office.card(asked)["blocks"] if b["type"] == "actions"]
    (record,) = office.waiting.desk.records("approval")
    assert record["body"]["via"] == "slack"


async def test_a_hundred_clicks_of_five_people_are_one_decision_and_each_is_answered(
    office: Office,
) -> None:
    asked, ts = await office.posted()
    people = (ANA, BEN, EVA, CAI, DEA)
    payloads = [
        acts.click_payload(
            office.slack.twin.workspace, float(number),
            {"user": people[number % 5], "ts": ts, "action_id": APPROVE},
        )
        for number in range(100)
    ]  # fmt: skip
    acks = await asyncio.gather(*map(office.service.interact, payloads))
    await office.service.interactions.drain()
    assert acks == [Ack(200)] * 100
    assert office.waiting.let_go == [asked.approval_id]
    assert len(office.waiting.desk.records("approval")) == 1
    told = office.slack.told()
    assert len(told) == 100
    assert sum(text.startswith("Approved:") for text in told) == 1
    assert sum(text.startswith("Already approved by") for text in told) == 99


async def test_who_is_not_on_the_list_changes_nothing_and_is_told(office: Office) -> None:
    asked, ts = await office.posted()
    for action in (APPROVE, EDIT, REJECT):
        assert await office.click(NIL, ts, action) == Ack(200)
    assert await office.state(asked) is WAITING
    assert (
        office.slack.told(NIL)
        == ["You are not on the list of approvers, so nothing was changed."] * 3
    )
    assert office.slack.calls("views.open") == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        {"team": {"id": "T0OTHER", "domain": "x"}},
        {"team": None, "user": {"id": ANA, "team_id": "T0OTHER"}},
        {"user": {"id": ANA, "team_id": "T0OTHER"}},  # a guest of a shared channel
        {"api_app_id": "A0OTHER"},
        {"api_app_id": None},
    ],
)
async def test_another_workspace_or_app_is_refused(office: Office, spoiled: dict) -> None:
    asked, ts = await office.posted()
    assert await office.click(ANA, ts, APPROVE, spoiled) == Ack(403)
    assert await office.state(asked) is WAITING
    assert office.slack.told() == []


@pytest.mark.parametrize(
    "spoiled",
    [
        {"actions": []},
        {"actions": None},
        {"actions": [{"action_id": APPROVE, "value": "AP-1.2"}]},
        {"actions": [{"action_id": APPROVE}]},
        {"actions": [{"action_id": "else", "value": f"AP-{'0' * 20}.{'0' * 64}"}]},
        {"container": {}},
        {"user": "U"},
        {"type": "shortcut"},
    ],
)
async def test_what_is_none_of_ours_is_taken_and_changes_nothing(
    office: Office, spoiled: dict
) -> None:
    asked, ts = await office.posted()
    assert await office.click(ANA, ts, APPROVE, spoiled) == Ack(200)
    assert await office.state(asked) is WAITING


@pytest.mark.parametrize("payload", [{}, {"user": None}, {"type": "block_actions"}, {"team": 3}])
async def test_no_payload_breaks_it(office: Office, payload: dict) -> None:
    assert (await office.service.interact(payload)).status in (200, 403)


async def test_a_tampered_hash_is_not_what_waits(office: Office) -> None:
    asked, ts = await office.posted()
    for action in (APPROVE, EDIT, REJECT):
        button = {"action_id": action, "value": f"{asked.approval_id}.{'0' * 64}"}
        await office.click(ANA, ts, APPROVE, {"actions": [button]})
    assert await office.state(asked) is WAITING
    assert office.slack.told(ANA) == (
        ["The text that waits is another one than this: look at it again."] * 3
    )


async def test_an_invented_approval_is_answered(office: Office) -> None:
    _, ts = await office.posted()
    button = {"action_id": REJECT, "value": f"AP-{'0' * 20}.{'0' * 64}"}
    await office.click(ANA, ts, APPROVE, {"actions": [button]})
    assert office.slack.told(ANA) == ["There is no such approval here."]


async def test_a_replayed_click_is_told_what_stands(office: Office) -> None:
    asked, ts = await office.posted()
    workspace = office.slack.twin.workspace
    payload = acts.click_payload(workspace, 1.0, {"user": ANA, "ts": ts, "action_id": APPROVE})
    for _ in range(3):
        await office.service.interact(payload)
        await office.service.interactions.drain()
    assert office.waiting.let_go == [asked.approval_id]
    assert [text.partition(" by")[0] for text in office.slack.told(ANA)[1:]] == (
        ["Already approved"] * 2
    )


async def test_a_click_from_a_screen_that_is_behind_is_told_who_was_first(office: Office) -> None:
    _, ts = await office.posted()
    await office.click(ANA, ts, APPROVE)
    await office.settle(1)
    for action in (APPROVE, EDIT, REJECT):
        await office.click(BEN, ts, action)
    assert office.slack.told(BEN) == ["Already approved by Ana Approver at 14:00 UTC."] * 3


async def test_a_click_after_the_end_of_time_is_told_that_it_is_not_sent(office: Office) -> None:
    asked, ts = await office.posted()
    office.clock.step(days=2)
    for action in (REJECT, EDIT, APPROVE):
        await office.click(ANA, ts, action)
    assert office.slack.told(ANA) == ["It had expired: not sent."] * 3
    assert office.waiting.let_go == []
    assert await office.state(asked) is ApprovalState.EXPIRED


async def test_nobody_approves_what_they_wrote(office: Office) -> None:
    ana = office.waiting.people.by_slack(ANA)
    assert ana is not None
    asked, ts = await office.posted(author=ana.id)
    await office.click(ANA, ts, APPROVE)
    assert await office.state(asked) is WAITING
    assert "somebody else" in office.slack.told(ANA)[0]


# -- rejecting --------------------------------------------------------------------------------


async def test_a_no_is_asked_for_its_reason_and_is_learned(office: Office) -> None:
    asked, ts = await office.posted()
    await office.click(BEN, ts, REJECT)
    ack = await office.submit(BEN, {"reason": "tone", "words": "Too familiar."})
    assert ack.body is not None
    assert ack.body["response_action"] == "update"
    assert said(modal(office, BEN)) == "Rejected."
    found = await office.waiting.approvals.get(asked.approval_id)
    assert found is not None
    assert (found.state, found.reason_code, found.reason_text) == (
        ApprovalState.REJECTED, "tone", "Too familiar.",
    )  # fmt: skip
    assert office.learned == ["folded"]
    assert office.waiting.let_go == []


async def test_other_needs_words_and_the_modal_says_so(office: Office) -> None:
    asked, ts = await office.posted()
    await office.click(BEN, ts, REJECT)
    ack = await office.submit(BEN, {"reason": "other", "words": "  "})
    assert ack.body is not None
    assert ack.body["response_action"] == "errors"
    assert "words" in ack.body["errors"]
    assert await office.state(asked) is WAITING
    await office.submit(BEN, {"reason": "other", "words": "They moved."})
    assert await office.state(asked) is ApprovalState.REJECTED


async def test_a_form_sent_twice_is_told_the_same(office: Office) -> None:
    _, ts = await office.posted()
    await office.click(BEN, ts, REJECT)
    workspace = office.slack.twin.workspace
    asked = {"user": BEN, "view_id": modal(office, BEN)["id"], "values": {"reason": "timing"}}
    payload = acts.submit_payload(workspace, asked)
    first, second = [await office.service.interact(payload) for _ in range(2)]
    assert first.body is not None
    assert second.body is not None
    assert said(first.body["view"]) == "Rejected."
    assert said(second.body["view"]).startswith("Already rejected by Ben Approver")
    assert len(office.waiting.desk.records("approval")) == 1


async def test_a_form_is_judged_by_what_stands_when_it_is_sent(office: Office) -> None:
    asked, ts = await office.posted()
    await office.click(BEN, ts, REJECT)
    await office.click(ANA, ts, APPROVE)
    await office.submit(BEN, {"reason": "timing"})
    assert said(modal(office, BEN)).startswith("Already approved by Ana Approver")
    assert office.waiting.let_go == [asked.approval_id]


async def test_a_form_of_a_stranger_changes_nothing(office: Office) -> None:
    asked, ts = await office.posted()
    await office.click(BEN, ts, REJECT)
    view = {"user": BEN, "view_id": modal(office, BEN)["id"], "values": {"reason": "timing"}}
    payload = acts.submit_payload(office.slack.twin.workspace, view)
    payload["user"]["id"] = NIL
    ack = await office.service.interact(payload)
    assert ack.body is not None
    assert "not on the list" in said(ack.body["view"])
    assert await office.state(asked) is WAITING


# -- editing ----------------------------------------------------------------------------------


async def test_an_edit_is_queued_once_and_decides_nothing(office: Office) -> None:
    asked, ts = await office.posted()
    await office.click(ANA, ts, EDIT)
    fields = {b["block_id"]: b["element"] for b in modal(office, ANA)["blocks"] if "element" in b}
    assert fields["subject"]["initial_value"] == "Hiring at Northwind Studio, and AI"
    assert fields["body"]["initial_value"].startswith("Hi Ana,")
    workspace = office.slack.twin.workspace
    values = {"subject": " A better subject ", "body": "Hi Ana,\n\nbetter."}
    view = {"user": ANA, "view_id": modal(office, ANA)["id"], "values": values}
    for _ in range(2):
        ack = await office.service.interact(acts.submit_payload(workspace, view))
        assert ack.body is not None
        assert "every guardrail again" in said(ack.body["view"])
    ana = office.waiting.people.by_slack(ANA)
    assert ana is not None
    assert await edits(office) == [
        {
            "approval_id": asked.approval_id, "content_hash": asked.content_hash,
            "subject": "A better subject", "body": "Hi Ana,\n\nbetter.", "by": ana.id,
            "via": "slack",
        }
    ]  # fmt: skip
    assert await office.state(asked) is WAITING


@pytest.mark.parametrize(
    ("values", "block"),
    [({}, "body"), ({"subject": "two\nlines"}, "subject"), ({"subject": " "}, "subject")],
)
async def test_an_edit_that_is_none_stays_in_its_form(
    office: Office, values: dict, block: str
) -> None:
    _, ts = await office.posted()
    await office.click(ANA, ts, EDIT)
    ack = await office.submit(ANA, values)
    assert ack.body is not None
    assert list(ack.body["errors"]) == [block]
    assert await edits(office) == []


async def test_an_edit_of_something_decided_is_not_queued(office: Office) -> None:
    _, ts = await office.posted()
    await office.click(ANA, ts, EDIT)
    await office.click(BEN, ts, APPROVE)
    await office.submit(ANA, {"subject": "Another subject"})
    assert said(modal(office, ANA)).startswith("Already approved by Ben Approver")
    assert await edits(office) == []


# -- Slack in trouble -------------------------------------------------------------------------


async def test_a_form_that_opens_too_late_is_explained(office: Office) -> None:
    _, ts = await office.posted()
    asked = {"user": ANA, "ts": ts, "action_id": EDIT}
    payload = acts.click_payload(office.slack.twin.workspace, 1.0, asked)
    office.clock.step(4)
    await office.service.interact(payload)
    await office.service.interactions.drain()
    assert office.slack.told(ANA) == ["Slack waited too long to open the form: click once more."]


async def test_a_click_sent_twice_opens_one_form_and_says_nothing(office: Office) -> None:
    _, ts = await office.posted()
    asked = {"user": ANA, "ts": ts, "action_id": REJECT}
    payload = acts.click_payload(office.slack.twin.workspace, 1.0, asked)
    for _ in range(2):
        await office.service.interact(payload)
        await office.service.interactions.drain()
    assert len(office.slack.twin.workspace.views) == 1
    assert office.slack.told() == []


async def test_an_answer_that_cannot_be_whispered_stands_in_the_thread(office: Office) -> None:
    asked, ts = await office.posted()
    stranger = {"id": "U0GUEST", "team_id": "T0SANDBOX"}
    await office.click(NIL, ts, APPROVE, {"user": stranger})
    await office.settle(2)
    assert office.thread(asked) == [f"<@U0GUEST> {ABOUT}: {STRANGER}"]


async def test_a_click_on_a_card_in_doubt_tells_where_it_stands(office: Office) -> None:
    """Slack posted it, said 502, and is clicked before anybody looked."""
    office.slack.behave(act_and_fail={"slack": 1})
    asked = await office.asked()
    await office.poster.round()
    await office.click(ANA, office.card(asked)["ts"], APPROVE)
    await office.settle(10)
    assert office.slack.calls("conversations.history") == 0
    assert office.card(asked)["text"].endswith("approved")
    assert len(office.slack.messages) == 1


async def test_a_store_that_fails_is_told_and_nothing_is_decided(office: Office) -> None:
    asked, ts = await office.posted()
    for file in office.waiting.desk.hive.audit_dir.glob("*.jsonl"):
        file.rename(file.with_suffix(".kept"))
        file.mkdir()
    await office.click(ANA, ts, APPROVE)
    assert office.slack.told(ANA)[0].startswith("That did not work just now: ")
    assert await office.state(asked) is WAITING


async def test_every_answer_can_be_shown_and_every_reason_has_words() -> None:
    view = modals.rejecting(modals.About("AP-1", "0", CHANNEL_ID, "1.1"), "")
    labels = [option["text"]["text"] for option in view["blocks"][1]["element"]["options"]]
    assert len(labels) == len(set(labels)) == 12
    assert not [label for label in labels if "_" in label]
    assert modals.About.of("[]") is None
    assert modals.About.of('{"approval_id": 1}') is None
    assert modals.About.of(None) is None
