"""The Slack twin answers as Slack does: `ok`, its refusals, its limits, and its traps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from servers.common.contract_sandbox import RB2B_WEBHOOK_SECRET
from servers.sandbox import twin_slack_acts as acts
from servers.sandbox.host import environment
from servers.sandbox.twin_slack_records import APP_TOKEN, CHANNEL_ID, READ_ONLY_TOKEN
from servers.sandbox.twin_visits import fitting, payload, webhook

TOKEN = environment(1)["SLACK_BOT_TOKEN"]
BUTTON = {
    "type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Approve"},
    "value": "A-1",
}  # fmt: skip
ACTIONS = {"type": "actions", "block_id": "decide", "elements": [BUTTON]}
INPUT = {
    "type": "input", "block_id": "body", "label": {"type": "plain_text", "text": "Body"},
    "element": {"type": "plain_text_input", "action_id": "text", "initial_value": "Hi"},
}  # fmt: skip
VIEW = {
    "type": "modal", "callback_id": "edit", "title": {"type": "plain_text", "text": "Edit"},
    "submit": {"type": "plain_text", "text": "Send"}, "blocks": [INPUT], "private_metadata": "{}",
}  # fmt: skip
EXAMPLE = (  # in Slack's guide on verifying requests
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def ask(wire, method: str, token: str = TOKEN, **asked: Any) -> Any:
    answer = wire("POST", f"/slack/api/{method}", {"Authorization": f"Bearer {token}"}, json=asked)
    return answer.json()


def post(wire, **asked: Any) -> Any:
    return ask(wire, "chat.postMessage", **{"channel": CHANNEL_ID, "text": "Hi"} | asked)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def shows(wire) -> list[dict[str, Any]]:
    return wire("GET", "/slack/_people/shows").json()["channels"][CHANNEL_ID]


def twin(wire):
    return wire.app.twins["slack"]


@pytest.mark.parametrize(
    ("token", "error"),
    [("", "not_authed"), ("xoxb-no", "invalid_auth"), (READ_ONLY_TOKEN, "missing_scope")],
)
def test_a_refused_token_is_200_and_not_ok(wire, token, error):
    answer = post(wire, token=token)
    assert (answer["ok"], answer["error"]) == (False, error)
    assert shows(wire) == []


def test_who_and_where_are_told(wire):
    assert ask(wire, "auth.test")["team_id"] == environment(1)["SLACK_TEAM_ID"]
    assert ask(wire, "conversations.info", channel=CHANNEL_ID)["channel"]["is_member"]
    assert ask(wire, "users.info", user="U0ANA01")["user"]["real_name"] == "Ana Approver"
    assert ask(wire, "users.info", user="U0NO")["error"] == "user_not_found"
    assert ask(wire, "no.such")["error"] == "unknown_method"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"channel": "C0NO"}, "channel_not_found"),
        ({"channel": "C0ELSEWHERE"}, "not_in_channel"),
        ({"channel": "C0ARCHIVED"}, "is_archived"),
        ({"text": ""}, "no_text"),
        ({"text": "a" * 40_001}, "msg_too_long"),
        ({"thread_ts": "1.000001"}, "thread_not_found"),
        ({"blocks": [section("a" * 3000)] * 5}, "msg_blocks_too_long"),
        ({"blocks": [section("a")] * 51}, "invalid_blocks"),
        ({"blocks": [section("a" * 3001)]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [ACTIONS | {"elements": [BUTTON, BUTTON]}]}, "invalid_blocks"),
        ({"blocks": [ACTIONS | {"elements": [BUTTON | {"value": "a" * 2001}]}]}, "invalid_blocks"),
        ({"blocks": [ACTIONS, ACTIONS]}, "invalid_blocks"),
        ({"blocks": [INPUT]}, "invalid_blocks"),
        ({"blocks": [{"type": "hologram"}]}, "invalid_blocks"),
    ],
)
def test_what_slack_refuses_is_refused_and_not_shown(wire, asked, error):
    assert post(wire, **asked)["error"] == error
    assert shows(wire) == []


def test_the_same_post_twice_stands_there_twice(wire):
    first, second = post(wire), post(wire)
    assert first["ts"] != second["ts"]
    assert len(shows(wire)) == 2


def test_an_update_keeps_the_blocks_it_does_not_name(wire):
    ts = post(wire, blocks=[ACTIONS])["ts"]
    asked = {"channel": CHANNEL_ID, "ts": ts, "text": "Done"}
    assert ask(wire, "chat.update", **asked)["ok"]
    assert shows(wire)[0]["blocks"] == [ACTIONS]
    assert ask(wire, "chat.update", **asked, blocks=[])["ok"]
    assert shows(wire)[0]["blocks"] == []
    by_name = ask(wire, "chat.update", **asked | {"channel": "#approvals"})
    assert by_name["error"] == "channel_not_found"
    assert ask(wire, "chat.update", **asked | {"ts": "1.1"})["error"] == "message_not_found"


def test_the_history_shows_metadata_when_asked_and_never_threads(wire):
    about = {"event_type": "card", "event_payload": {"id": "A-1"}}
    ts = post(wire, metadata=about)["ts"]
    reply = post(wire, thread_ts=ts)["ts"]
    asked = {"channel": CHANNEL_ID, "include_all_metadata": True}
    (seen,) = ask(wire, "conversations.history", **asked)["messages"]
    assert (seen["ts"], seen["metadata"]) == (ts, about)
    (seen,) = ask(wire, "conversations.history", channel=CHANNEL_ID)["messages"]
    assert "metadata" not in seen
    thread = ask(wire, "conversations.replies", channel=CHANNEL_ID, ts=ts)["messages"]
    assert [message["ts"] for message in thread] == [ts, reply]
    assert ask(wire, "conversations.history", **asked, oldest=ts)["messages"] == []


def test_the_history_is_paged_newest_first(wire):
    sent = [post(wire)["ts"] for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = ask(wire, "conversations.history", channel=CHANNEL_ID, limit=2, cursor=cursor)
        seen += [message["ts"] for message in page["messages"]]
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert seen == sent[::-1]


def test_the_webhook_says_ok_in_plain_text_and_gives_no_ts(wire):
    path = environment(1)["SLACK_WEBHOOK_URL"].partition("1/slack")[2]
    answer = wire("POST", f"/slack{path}", {}, json={"text": "Hi"})
    assert (answer.status_code, answer.text) == (200, "ok")
    ts = shows(wire)[0]["ts"]
    refused = ask(wire, "chat.update", channel=CHANNEL_ID, ts=ts, text="x")
    assert refused["error"] == "cant_update_message"
    assert wire("POST", f"/slack{path}", {}, json={}).text == "no_text"
    assert wire("POST", f"/slack{path}", {}, content=b"{").text == "invalid_payload"
    assert wire("POST", "/slack/services/T/B/no", {}, json={}).text == "no_service"


def test_one_message_a_second_and_channel_when_limits_are_on(wire, clock):
    wire.behave(rate_limits=["slack"])
    assert post(wire)["ok"]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    asked = {"channel": CHANNEL_ID, "text": "Hi"}
    answer = wire("POST", "/slack/api/chat.postMessage", headers, json=asked)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.json() == {"ok": False, "error": "ratelimited"}
    clock.step(1.1)
    assert post(wire)["ok"]


def test_a_done_message_may_be_answered_as_an_outage(wire):
    wire.behave(act_and_fail={"slack": 1})
    answer = wire(
        "POST", "/slack/api/chat.postMessage", {"Authorization": f"Bearer {TOKEN}"},
        json={"channel": CHANNEL_ID, "text": "Hi"},
    )  # fmt: skip
    assert answer.status_code == 502
    assert len(shows(wire)) == 1


def test_messages_to_the_team_are_no_writes_outside(wire):
    post(wire)
    assert wire.counts()["by_kind"] == {"read": 0, "paid_read": 0, "write": 0, "tell": 1}


def test_a_trigger_opens_one_modal_within_three_seconds(wire, clock):
    workspace = twin(wire).workspace
    trigger = workspace.trigger("U0ANA01")
    assert ask(wire, "views.open", trigger_id=trigger, view=VIEW)["view"]["id"]
    again = ask(wire, "views.open", trigger_id=trigger, view=VIEW)
    assert again["error"] == "exchanged_trigger_id"
    late = workspace.trigger("U0ANA01")
    clock.step(3.1)
    assert ask(wire, "views.open", trigger_id=late, view=VIEW)["error"] == "expired_trigger_id"
    assert ask(wire, "views.open", trigger_id="1", view=VIEW)["error"] == "invalid_trigger_id"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"title": {"type": "plain_text", "text": "a" * 25}}, "invalid_arguments"),
        ({"private_metadata": "a" * 3001}, "invalid_arguments"),
        ({"submit": {}}, "invalid_arguments"),
        ({"blocks": [section("a" * 3000)] * 90}, "view_too_large"),
        ({"blocks": [section("a")] * 101}, "invalid_arguments"),
    ],
)
def test_a_modal_outside_the_limits_is_refused(wire, change, error):
    trigger = twin(wire).workspace.trigger("U0ANA01")
    assert ask(wire, "views.open", trigger_id=trigger, view=VIEW | change)["error"] == error


def test_a_modal_is_changed_while_its_hash_is_right(wire):
    trigger = twin(wire).workspace.trigger("U0ANA01")
    view = ask(wire, "views.open", trigger_id=trigger, view=VIEW)["view"]
    stale = ask(wire, "views.update", view_id=view["id"], hash="old", view=VIEW)
    assert stale["error"] == "hash_conflict"
    assert ask(wire, "views.update", view_id=view["id"], hash=view["hash"], view=VIEW)["ok"]
    assert ask(wire, "views.update", view_id="V0NO", view=VIEW)["error"] == "not_found"
    said = {"type": "modal", "title": VIEW["title"], "blocks": [section("Done")]}
    assert "submit" not in ask(wire, "views.update", view_id=view["id"], view=said)["view"]


def test_a_click_is_sent_as_slack_sends_it(wire):
    ts = post(wire, blocks=[ACTIONS])["ts"]
    asked = {"user": "U0ANA01", "ts": ts, "action_id": "approve"}
    payload = acts.click_payload(twin(wire).workspace, 1.0, asked)
    body = acts.form(payload)
    assert json.loads(parse_qs(body.decode())["payload"][0]) == payload
    assert payload["actions"][0] | {"action_ts": ""} == {
        "action_id": "approve", "block_id": "decide", "type": "button", "value": "A-1",
        "text": BUTTON["text"], "action_ts": "",
    }  # fmt: skip
    assert payload["container"]["message_ts"] == payload["message"]["ts"] == ts


def test_the_signature_is_the_one_of_slacks_published_example():
    headers = acts.signed(EXAMPLE, "1531420618", "8f742231b10e8888abcd99yyyzzz85a5")
    expected = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert headers["X-Slack-Signature"] == f"v0={expected}"
    assert headers["X-Slack-Request-Timestamp"] == "1531420618"


def test_two_clicks_differ_in_trigger_and_time_alone(wire):
    ts = post(wire, blocks=[ACTIONS])["ts"]
    asked = {"user": "U0ANA01", "ts": ts, "action_id": "approve"}
    one, two = (acts.click_payload(twin(wire).workspace, at, asked) for at in (1.0, 2.0))
    assert one.pop("trigger_id") != two.pop("trigger_id")
    assert one["actions"][0].pop("action_ts") != two["actions"][0].pop("action_ts")
    assert one == two


def test_nobody_can_press_what_was_never_there(wire):
    ts = post(wire, blocks=[ACTIONS])["ts"]
    click = {"user": "U0ANA01", "ts": ts, "url": "http://127.0.0.1:9"}
    answer = wire("POST", "/slack/_people/click", {}, json=click | {"action_id": "explode"})
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        "the message never had that button",
    )
    gone = {"channel": CHANNEL_ID, "ts": ts, "text": "Done", "blocks": []}
    ask(wire, "chat.update", **gone)  # a screen that is behind still has it
    late = acts.click_payload(twin(wire).workspace, 1.0, click | {"action_id": "approve"})
    assert late["message"]["blocks"] == []


def test_a_form_is_sent_with_what_it_holds(wire):
    trigger = twin(wire).workspace.trigger("U0ANA01")
    view = ask(wire, "views.open", trigger_id=trigger, view=VIEW)["view"]
    asked = {"user": "U0ANA01", "view_id": view["id"]}
    values = acts.submit_payload(twin(wire).workspace, asked)["view"]["state"]["values"]
    assert values == {"body": {"text": {"type": "plain_text_input", "value": "Hi"}}}
    filled = acts.submit_payload(twin(wire).workspace, asked | {"values": {"body": "Bye"}})
    assert filled["view"]["state"]["values"]["body"]["text"]["value"] == "Bye"
    for wrong in ({"values": {"body": ""}}, {"values": {"else": "x"}}, {"user": "U0BEN02"}):
        with pytest.raises(acts.Impossible):
            acts.submit_payload(twin(wire).workspace, asked | wrong)


def test_the_app_token_is_no_bot_token(wire):
    assert post(wire, token=APP_TOKEN)["error"] == "invalid_auth"


def test_the_page_runs_its_own_script_alone(wire):
    answer = wire("GET", "/slack/_people/")
    assert answer.headers["content-type"].startswith("text/html")
    rules = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in rules
    assert "unsafe" not in rules
    for name in ("page.js", "page.css"):
        assert wire("GET", f"/slack/_people/{name}").status_code == 200
        assert name in answer.text
    script = wire("GET", "/slack/_people/page.js").text
    assert "innerHTML" not in script  # outside text is text there too
    for name in ("asgi.py", "index.html", "page.js/x"):
        assert wire("GET", f"/slack/_people/{name}").status_code == 404
    people = wire("GET", "/slack/_people/people").json()
    assert people["U0ANA01"] == "Ana Approver"
    assert wire.counts()["total"] == 0


def test_an_open_modal_can_be_closed_by_its_owner_alone(wire):
    trigger = twin(wire).workspace.trigger("U0ANA01")
    view = ask(wire, "views.open", trigger_id=trigger, view=VIEW)["view"]
    asked = {"user": "U0BEN02", "view_id": view["id"]}
    assert wire("POST", "/slack/_people/close", {}, json=asked).status_code == 409
    mine = asked | {"user": "U0ANA01"}
    assert wire("POST", "/slack/_people/close", {}, json=mine).status_code == 200
    assert wire("GET", "/slack/_people/shows").json()["views"] == []


def test_a_visitor_is_reported_as_rb2b_reports_one():
    rows = fitting()
    assert len(rows) >= 50
    assert len({row["Email"] for row in rows}) == len(rows)
    seen = payload(rows[0], 0, datetime(2026, 3, 10, 14, 0, tzinfo=UTC))
    assert seen["Business Email"] == rows[0]["Email"]
    assert seen["Seen At"] == "2026-03-10T14:00:00:00.00+00.00"  # malformed, as in its own sample
    url = webhook("http://127.0.0.1:8080/slack/interactions")
    assert url == f"http://127.0.0.1:8080/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}"


def test_nobody_visits_before_the_gateway_is_known(wire):
    answer = wire("POST", "/slack/_people/visit", {}, json={})
    assert answer.status_code == 409
    assert "slack_request_url" in answer.json()["error"]
