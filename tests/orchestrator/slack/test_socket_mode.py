"""Clicks come in over a WebSocket as over HTTP, are acknowledged in time, and survive a hang-up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from orchestrator.slack.acks import Ack
from orchestrator.slack.settings import SlackSettings
from orchestrator.slack.socket_mode import SocketMode
from servers.sandbox.twin_slack_records import APP_TOKEN
from tests.orchestrator.slack.conftest import Workspace

pytestmark = pytest.mark.anyio
BUTTON = {"type": "button", "action_id": "swarm_approve", "value": "x",
          "text": {"type": "plain_text", "text": "Approve"}}  # fmt: skip
PATIENCE_S = 20


def settings(slack: Workspace) -> SlackSettings:
    found = SlackSettings.of(slack.env | {"SLACK_APP_TOKEN": APP_TOKEN}, sandbox=True)
    assert found is not None
    return found


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  the SDK's threads give nothing to wait for
            await asyncio.sleep(0.01)


class Handler:
    """Takes payloads, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.answer = Ack()

    async def __call__(self, payload: Mapping[str, Any]) -> Ack:
        self.taken.append(payload["type"])
        return self.answer


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
async def socket(slack: Workspace, handler: Handler) -> AsyncIterator[SocketMode]:
    made = SocketMode(settings(slack), handler)
    made.start()
    await until(lambda: made.connected and bool(slack.twin.sockets.open))
    yield made
    await made.close()
    assert slack.twin.sockets.open == []


async def posted(slack: Workspace) -> str:
    actions = {"type": "actions", "elements": [BUTTON]}
    answer = slack.twin.post_message(
        {"channel": slack.env["SLACK_CHANNEL_ID"], "text": "x", "blocks": [actions]}
    )
    return str(answer["ts"])


async def click(slack: Workspace) -> dict[str, Any]:
    asked = {"user": "U0ANA01", "ts": await posted(slack), "action_id": "swarm_approve"}
    return await slack.twin.click(asked)


async def test_clicks_and_forms_come_in_and_go_on_doing_so_when_slack_hangs_up(
    slack: Workspace, socket: SocketMode, handler: Handler
) -> None:
    assert (await click(slack))["accepted"]
    await until(lambda: handler.taken == ["block_actions"])

    # A form's acknowledgement carries its answer.
    answer = {"response_action": "errors", "errors": {"body": "Nothing was changed."}}
    handler.answer = Ack(body=answer)
    view = {"type": "modal", "callback_id": "x", "blocks": [],
            "title": {"type": "plain_text", "text": "x"}}  # fmt: skip
    opened = slack.twin.workspace.open_view("U0ANA01", view)
    heard = await slack.twin.submit({"user": "U0ANA01", "view_id": opened["id"]})
    assert heard["accepted"]
    assert opened["errors"] == answer["errors"]

    (first,) = slack.twin.sockets.open
    assert await slack.twin.sockets.hang_up() == 1
    await until(lambda: bool(slack.twin.sockets.open) and first not in slack.twin.sockets.open)
    assert (await click(slack))["accepted"]
    await until(lambda: handler.taken == ["block_actions", "view_submission", "block_actions"])


async def test_it_waits_until_slack_can_be_reached(slack: Workspace, handler: Handler) -> None:
    slack.behave(outage={"slack": 503})
    made = SocketMode(settings(slack), handler, pauses_s=(0.05,))
    made.start()
    await until(lambda: slack.calls("apps.connections.open") >= 2)
    assert not made.connected
    slack.behave(outage={})
    await until(lambda: made.connected and bool(slack.twin.sockets.open))
    await made.close()


async def test_a_wrong_token_is_refused_and_can_be_closed(
    slack: Workspace, handler: Handler
) -> None:
    wrong = SlackSettings.of(slack.env | {"SLACK_APP_TOKEN": "xapp-wrong"}, sandbox=True)
    assert wrong is not None
    made = SocketMode(wrong, handler, pauses_s=(0.05,))
    made.start()
    await until(lambda: slack.calls("apps.connections.open") >= 2)
    await made.close()
    assert slack.twin.sockets.open == []
