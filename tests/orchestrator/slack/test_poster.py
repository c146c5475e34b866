"""Cards appear once each, at Slack's pace, whatever happens in between."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select, text, update

from guardrails.approval_model import ApprovalState
from guardrails.store.people_tables import slack_messages
from orchestrator.slack import outbox, outgoing
from orchestrator.slack.outbox import card_id
from orchestrator.slack.outgoing import OutState
from servers.sandbox.twin_slack_records import CHANNEL_ID
from tests.orchestrator.slack.conftest import Office

pytestmark = pytest.mark.anyio
APPROVE = "swarm_approve"


def buttons(card: dict) -> list[str]:
    rows = [block["elements"] for block in card["blocks"] if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row]


async def row(office: Office, name: str) -> outgoing.Outgoing:
    found = await office.waiting.desk.store.query(lambda conn: outgoing.find(conn, name))
    assert found is not None
    return found


async def noticed(office: Office, key: str, words: str = "Hello", **about: object) -> bool:
    now = office.clock()
    return await office.waiting.desk.store.run(
        lambda conn: outbox.notice(conn, key, words, at=now, **about)  # type: ignore[arg-type]
    )


async def test_each_draft_that_waits_gets_one_card(office: Office) -> None:
    asked = [await office.asked(number) for number in range(3)]
    await office.settle(10)
    assert [office.card(one)["text"] for one in asked] == (
        ["E-mail to Ana Reyes, Northwind Studio — waits for your yes"] * 3
    )
    assert len(office.slack.messages) == 3
    assert await office.service.status() == {
        "trouble": None, "waiting": 0, "failed": 0, "socket": None,
    }  # fmt: skip


async def test_it_keeps_to_one_message_a_second(office: Office) -> None:
    office.slack.behave(rate_limits=("slack",))
    for number in range(4):
        await office.asked(number)
    for posted in (1, 2, 3, 4):
        for _ in range(3):
            await office.poster.round()
        assert len(office.slack.messages) == posted
        office.clock.step(1.2)
    assert office.slack.calls("chat.postMessage") == 4


async def test_it_waits_as_long_as_slack_asks(office: Office) -> None:
    office.slack.behave(rate_limits=("slack",))
    office.slack.twin.per_channel.left(CHANNEL_ID, office.clock().timestamp())
    await office.asked()
    for _ in range(5):
        await office.poster.round()
    assert office.slack.calls("chat.postMessage") == 1  # told to wait a second, and it does
    office.clock.step(1.2)
    await office.poster.round()
    assert len(office.slack.messages) == 1


async def test_an_hour_without_slack_loses_nothing_and_doubles_nothing(office: Office) -> None:
    seen = await office.asked(0)
    await office.settle(3)
    office.slack.behave(outage={"slack": 503})
    asked = [await office.asked(number) for number in range(1, 6)]
    for _ in range(60):
        office.clock.step(60)
        await office.poster.round()
    assert len(office.slack.messages) == 1
    assert (await office.service.status())["trouble"]
    office.slack.behave(outage={})
    await office.settle(120)
    for one in (seen, *asked):
        assert buttons(office.card(one))[0] == APPROVE
    assert len(office.slack.messages) == 6
    assert (await office.service.status())["trouble"] is None


async def test_what_was_posted_in_spite_of_an_error_is_found_and_not_posted_again(
    office: Office,
) -> None:
    office.slack.behave(act_and_fail={"slack": 2})
    asked = [await office.asked(number) for number in range(3)]
    await office.settle(90)
    assert {office.card(one)["ts"] for one in asked} == {m["ts"] for m in office.slack.messages}
    assert len(office.slack.messages) == 3
    assert office.slack.calls("conversations.history") >= 2


async def test_it_is_found_by_its_blocks_where_metadata_is_lost(office: Office) -> None:
    office.slack.behave(act_and_fail={"slack": 1}, renames={"slack": {"metadata": "lost"}})
    asked = await office.asked()
    await noticed(office, "hello")
    await office.settle(60)
    assert (await row(office, card_id(asked.approval_id))).state is OutState.POSTED
    assert (await row(office, "notice:hello")).state is OutState.POSTED
    assert len(office.slack.messages) == 2


async def test_a_crash_over_a_message_is_looked_up_before_it_is_posted_again(
    office: Office,
) -> None:
    """Reserved, and the process died: before the call in one case, after it in the other."""
    lost, stands = await office.asked(0), await office.asked(1)
    await office.settle(5)
    back = update(slack_messages).values(
        state="posting", ts=None, shown=0, not_before="2026-03-10T14:00:00.000000Z"
    )
    await office.waiting.desk.store.run(lambda conn: conn.execute(back))
    messages = office.slack.twin.workspace.channels[CHANNEL_ID].messages
    del messages[office.card(lost)["ts"]]
    await office.settle(10)
    assert office.card(stands)["ts"] in messages
    assert office.card(lost)["ts"] in messages
    assert len(messages) == 2


async def test_two_gateways_post_one_card(office: Office) -> None:
    asked = await office.asked()
    other = office.another()
    for _ in range(5):
        await office.poster.round()
        await other.poster.round()
        office.clock.step(1.2)
    other.close()
    assert office.card(asked)
    assert office.slack.calls("chat.postMessage") == 1


async def test_while_the_history_cannot_be_read_a_doubt_stays_one(office: Office) -> None:
    office.slack.behave(act_and_fail={"slack": 1})
    asked = await office.asked()
    await office.poster.round()
    office.slack.behave(auth={"slack": "no_scope"})
    for _ in range(30):
        office.clock.step(60)
        await office.poster.round()
    assert (await row(office, card_id(asked.approval_id))).state is OutState.POSTING
    assert len(office.slack.messages) == 1
    office.slack.behave(auth={})
    office.clock.step(600)
    await office.settle(5)
    assert (await row(office, card_id(asked.approval_id))).state is OutState.POSTED
    assert len(office.slack.messages) == 1


@pytest.mark.parametrize("how", ["revoked", "no_scope"])
async def test_a_wrong_token_is_told_and_costs_nothing_but_time(office: Office, how: str) -> None:
    office.slack.behave(auth={"slack": how})
    asked = await office.asked()
    for _ in range(20):
        await office.poster.round()
        office.clock.step(60)
    assert office.slack.calls("chat.postMessage") < 15  # it backs off
    assert "refused chat.postMessage" in (await office.service.status())["trouble"]
    office.slack.behave(auth={})
    office.clock.step(400)
    await office.settle(3)
    assert office.card(asked)


async def test_an_end_takes_the_buttons_and_says_who_and_when(office: Office) -> None:
    asked, _ = await office.posted()
    ben = office.waiting.people.by_slack("U0BEN02")
    assert ben is not None
    await office.waiting.approvals.reject(
        asked.approval_id, asked.content_hash, ben, "cli",
        reason_code="tone", text="Too <!channel> familiar.",
    )  # fmt: skip
    await office.settle(2)
    card = office.card(asked)
    assert buttons(card) == []
    said = card["blocks"][1]["text"]["text"]
    assert "*Rejected* by Ben Approver" in said
    assert said.endswith("(cli)\ntone: Too &lt;!channel&gt; familiar.")
    assert card["text"].endswith("rejected: not sent")
    assert await office.poster.round() == 0


async def test_what_ended_elsewhere_before_it_was_shown_is_not_shown(office: Office) -> None:
    office.slack.behave(outage={"slack": 503})
    asked, late = await office.asked(0), await office.asked(1)
    await office.poster.round()
    ana = office.waiting.people.by_slack("U0ANA01")
    assert ana is not None
    await office.waiting.approvals.approve(asked.approval_id, asked.content_hash, ana, "cli")
    office.clock.step(days=2)
    await office.waiting.approvals.expire_due()
    office.slack.behave(outage={})
    await office.settle(120)
    assert [m["text"] for m in office.slack.messages] == [office.card(late)["text"]]
    assert office.card(late)["text"].endswith("expired: not sent")
    assert buttons(office.card(late)) == []


async def test_a_card_that_was_deleted_is_let_be(office: Office) -> None:
    asked, ts = await office.posted()
    office.slack.twin.workspace.channels[CHANNEL_ID].messages.pop(ts)
    await office.waiting.approvals.withdraw("opted_out", lead_id=asked.lead_id)
    await office.settle(5)
    found = await row(office, card_id(asked.approval_id))
    assert (found.state, found.shown) == (OutState.POSTED, outgoing.ENDED)
    assert office.slack.calls("chat.update") == 1


async def test_an_erased_draft_is_not_shown_and_its_card_loses_it(office: Office) -> None:
    shown, ts = await office.posted(0)
    hidden = await office.asked(1)
    gone = text("DELETE FROM documents WHERE lead_id IN (:one, :two)")
    leads = {"one": shown.lead_id, "two": hidden.lead_id}
    await office.waiting.desk.store.run(lambda conn: conn.execute(gone, leads))
    await office.waiting.approvals.withdraw("erased", lead_id=shown.lead_id)
    await office.settle(5)
    assert [message["ts"] for message in office.slack.messages] == [ts]
    assert "northwind" not in str(office.card(shown)["blocks"]).lower()
    assert "no longer on record" in office.card(shown)["text"]
    assert (await row(office, card_id(hidden.approval_id))).state is OutState.FAILED


async def test_a_card_that_cannot_be_shown_anew_is_not_tried_for_ever(office: Office) -> None:
    asked, _ = await office.posted()
    store, lead, now = office.waiting.desk.store, {"lead": asked.lead_id}, office.clock()
    gone = text("DELETE FROM documents WHERE lead_id = :lead")
    await store.run(lambda conn: conn.execute(gone, lead))
    await store.run(lambda conn: outbox.show_again(conn, asked.lead_id, now))
    await office.settle(2)
    assert await store.query(lambda conn: outgoing.due(conn, now, 9)) == []
    assert (await row(office, card_id(asked.approval_id))).state is OutState.POSTED


async def test_an_erasure_empties_what_was_posted(office: Office) -> None:
    asked, _ = await office.posted()
    await noticed(office, "why", "Northwind is too long.", approval_id=asked.approval_id)
    await office.waiting.approvals.withdraw("erased", lead_id=asked.lead_id)
    await office.settle(5)
    assert "northwind" in str(office.card(asked)["blocks"]).lower()  # it ended, and says of whom
    lead, now = {"lead": asked.lead_id}, office.clock()

    def erase(conn: Connection) -> int:
        conn.execute(text("UPDATE documents SET document = NULL WHERE lead_id = :lead"), lead)
        conn.execute(text("""UPDATE slack_messages SET document = '{"text": "[erased]"}'"""))
        return outbox.show_again(conn, asked.lead_id, now)

    assert await office.waiting.desk.store.run(erase) == 2
    await office.settle(5)
    assert "northwind" not in str(office.slack.messages).lower()
    assert office.thread(asked) == ["[erased]"]
    assert "no longer on record" in office.card(asked)["text"]
    assert await office.poster.round() == 0


async def test_a_notice_stands_once_in_its_cards_thread_and_mentions_whom_it_should(
    office: Office,
) -> None:
    asked = await office.asked()
    about = {"approval_id": asked.approval_id, "mention": "U0EVA03"}
    assert await noticed(office, "late", "<!here> late & more", **about)
    assert not await noticed(office, "late", "again", **about)
    await office.settle(10)
    assert office.thread(asked) == ["<@U0EVA03> &lt;!here&gt; late &amp; more"]


async def test_a_notice_whose_card_will_never_be_stands_by_itself(office: Office) -> None:
    asked = await office.asked()
    await noticed(office, "why", "Refused: too long.", approval_id=asked.approval_id)
    ana = office.waiting.people.by_slack("U0ANA01")
    assert ana is not None
    await office.waiting.approvals.approve(asked.approval_id, asked.content_hash, ana, "cli")
    await office.settle(5)
    assert office.slack.texts == ["Refused: too long."]


async def test_a_notice_whose_thread_was_deleted_stands_by_itself(office: Office) -> None:
    asked, ts = await office.posted()
    office.slack.twin.workspace.channels[CHANNEL_ID].messages.pop(ts)
    await noticed(office, "why", approval_id=asked.approval_id)
    await office.settle(5)
    assert office.slack.texts == ["Hello"]


async def test_a_notice_that_came_too_late_is_dropped(office: Office) -> None:
    asked, _ = await office.posted()
    await noticed(office, "remind", approval_id=asked.approval_id, while_waiting=True)
    await office.waiting.approvals.withdraw("opted_out", lead_id=asked.lead_id)
    await office.settle(5)
    assert office.thread(asked) == []
    assert (await row(office, "notice:remind")).state is OutState.FAILED
    assert (await office.service.status())["failed"] == 0  # Slack has refused nothing


async def test_a_long_notice_is_cut_and_shown(office: Office) -> None:
    await noticed(office, "long", "<" * 5000)
    await office.settle(2)
    assert len(office.slack.texts[0]) <= 2900


async def test_long_keys_are_notices_of_their_own(office: Office) -> None:
    for key in ("k" * 200 + "1", "k" * 200 + "2"):
        assert await noticed(office, key)
        assert not await noticed(office, key)


async def test_what_slack_would_not_take_is_shown_plainly(office: Office) -> None:
    """The card breaks a limit that nobody knew: it is not lost, and not approved unseen."""
    asked = await office.asked()
    office.slack.behave(slack_most_blocks=3)
    await office.settle(5)
    card = office.card(asked)
    assert card["text"].endswith(f"swarm approvals show {asked.approval_id}")
    assert buttons(card) == []
    assert len(office.slack.messages) == 1


async def test_nothing_of_a_person_is_kept_with_a_card(office: Office) -> None:
    await office.posted()
    held = await office.waiting.desk.store.query(
        lambda conn: [tuple(found) for found in conn.execute(select(slack_messages))]
    )
    assert "northwind" not in str(held).lower()
    assert "Ana" not in str(held)
    assert ApprovalState.WAITING.value not in str(held)
