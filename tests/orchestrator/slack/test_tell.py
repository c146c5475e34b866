"""An alert goes out by the bot, else by the webhook, in bounded time, and never raises."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from orchestrator.slack.tell import Told, tell

pytestmark = pytest.mark.anyio


async def told(slack: Any, text: str = "The queen is silent.", **changes: Any) -> Told:
    env = slack.env
    given = {
        "bot_token": env["SLACK_BOT_TOKEN"], "channel": env["SLACK_CHANNEL_ID"],
        "webhook_url": env["SLACK_WEBHOOK_URL"], "base_url": env["SLACK_BASE_URL"],
        "timeout_s": 5.0, "sandbox": True,
    }  # fmt: skip
    return await asyncio.to_thread(tell, text, **(given | changes))


async def test_the_bot_is_asked_first(slack):
    assert await told(slack) == Told("bot")
    assert slack.texts == ["The queen is silent."]
    assert "webhook" not in slack.messages[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bot_token": "xoxb-wrong"}, "invalid_auth"),
        ({"channel": "C0NOWHERE"}, "channel_not_found"),
        ({"channel": "C0ELSEWHERE"}, "not_in_channel"),
    ],
)
async def test_the_webhook_takes_over_when_the_bot_may_not(slack, changes, why):
    answer = await told(slack, **changes)
    assert answer.way == "webhook"
    assert why in answer.note
    assert [message["webhook"] for message in slack.messages] == [True]


async def test_without_a_bot_the_webhook_alone_is_used(slack):
    assert await told(slack, bot_token=None) == Told("webhook")
    assert await told(slack, channel="") == Told("webhook")


async def test_an_outage_reaches_nobody_and_says_so(slack):
    slack.behave(outage={"slack": 503})
    answer = await told(slack)
    assert not answer
    assert "503" in answer.note
    assert slack.env["SLACK_WEBHOOK_URL"] not in answer.note
    assert slack.env["SLACK_BOT_TOKEN"] not in answer.note


async def test_a_refused_webhook_is_named_without_its_address(slack):
    answer = await told(slack, bot_token=None, webhook_url=f"{slack.base_url}/services/T/B/x")
    assert answer == Told("nobody", "webhook: status 404 (no_service)")


async def test_nothing_configured_reaches_nobody():
    answer = tell("x")
    assert answer.way == "nobody"
    assert "SLACK_BOT_TOKEN" in answer.note


async def test_nobody_listens_there(slack):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
        answer = await told(slack, base_url=nowhere, webhook_url=f"{nowhere}/services/x")
    assert answer == Told(
        "nobody", "bot: Slack cannot be reached; webhook: Slack cannot be reached"
    )


async def test_a_server_that_never_answers_is_left_behind():
    """It accepts and is silent: the SDK's own wait is at least a second, ours is not."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        before = threading.active_count()
        answer = await asyncio.to_thread(
            tell, "x", bot_token="t", channel="C", base_url=f"http://127.0.0.1:{port}",
            timeout_s=0.1,
        )  # fmt: skip
        assert answer == Told("nobody", "bot: no answer within 0.1 s")
        assert threading.active_count() <= before + 2


@pytest.mark.parametrize("url", ["https://slack.com", "http://slack.example"])
async def test_in_the_sandbox_only_loopback_is_spoken_to(slack, url):
    answer = await told(slack, base_url=url, webhook_url=f"{url}/services/x")
    assert answer.way == "nobody"
    assert "loopback" in answer.note
    assert slack.messages == []


async def test_plain_http_to_another_machine_is_refused():
    answer = tell("x", bot_token="t", channel="C", base_url="http://slack.example")
    assert "must be https" in answer.note


async def test_text_calls_nobody_and_hides_nothing(slack):
    await told(slack, "<!channel> & <@U0ANA01> \u202eevil\r\nnext")
    assert slack.texts == ["&lt;!channel&gt; &amp; &lt;@U0ANA01&gt; [U+202E]evil\nnext"]


async def test_a_long_text_is_cut(slack):
    assert await told(slack, "&" * 100_000)
    assert 2800 < len(slack.texts[0]) <= 2900
