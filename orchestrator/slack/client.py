"""Slack's Web API for the gateway. Owns: the few calls it makes, each in bounded time.

The SDK's client blocks, so every call runs on a thread of this client's own. No call is repeated
here: who calls decides, after `SlackDoubt` only when it has looked (`find`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.web import SlackResponse

from guardrails.errors import VendorSchemaDrift
from orchestrator.slack import wire
from orchestrator.slack.settings import SlackSettings
from orchestrator.slack.words import safe_lines, section

Blocks = Sequence[dict[str, Any]]
EVENT_TYPE = "swarm_message"
_THREADS = 8
_SLACK_S = 2.0  # beyond the socket's own time-out
_PAGE, _PAGES = 200, 10


@dataclass(frozen=True)
class Message:
    """What is to be shown, and the id under which it is found again."""

    message_id: str
    text: str
    blocks: Blocks = ()


@dataclass(frozen=True)
class Place:
    """Where a message stands."""

    channel: str
    ts: str


class Slack:
    """One app's calls. Every method raises a VendorError of `wire`."""

    def __init__(self, settings: SlackSettings, timeout_s: float = 6.0) -> None:
        self._client = wire.web_client(settings.bot_token, settings.base_url, timeout_s)
        self._deadline_s = timeout_s + _SLACK_S
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="slack")

    def close(self) -> None:
        """Take no more calls; running ones end by their own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def who_am_i(self) -> tuple[str, str]:
        """Team id and bot user id of the token."""
        found = await self._ask("auth.test", self._client.auth_test)
        return _text(found, "team_id", "auth.test"), _text(found, "user_id", "auth.test")

    async def post(self, channel: str, message: Message, thread_ts: str | None = None) -> Place:
        """Post it; at most once."""

        def call() -> SlackResponse:
            return self._client.chat_postMessage(
                channel=channel, text=message.text, blocks=list(message.blocks) or None,
                thread_ts=thread_ts, unfurl_links=False, unfurl_media=False,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"id": message.message_id}},
            )  # fmt: skip

        found = await self._ask("chat.postMessage", call)
        name = "chat.postMessage"
        return Place(_text(found, "channel", name), _text(found, "ts", name))

    async def update(self, place: Place, message: Message) -> None:
        """Show this instead; may be repeated. No blocks means none, not the old ones."""

        def call() -> SlackResponse:
            return self._client.chat_update(
                channel=place.channel, ts=place.ts, text=message.text, blocks=list(message.blocks)
            )

        await self._ask("chat.update", call)

    async def whisper(self, channel: str, user_id: str, text: str) -> None:
        """Tell one person alone; plain words, shown as they are."""
        said = safe_lines(text)

        def call() -> SlackResponse:
            return self._client.chat_postEphemeral(
                channel=channel, user=user_id, text=said, blocks=[section(said)]
            )

        await self._ask("chat.postEphemeral", call)

    async def open_view(self, trigger_id: str, view: Mapping[str, Any]) -> None:
        """Show a modal to whoever caused the trigger, within its three seconds."""

        def call() -> SlackResponse:
            return self._client.views_open(trigger_id=trigger_id, view=dict(view))

        await self._ask("views.open", call)

    async def find(
        self, channel: str, message_id: str, since: datetime, thread_ts: str | None = None
    ) -> Place | None:
        """Where the message with this id stands, if it was posted since then.

        Reads at most 2,000 messages; more in so short a time would be a defect, and is a doubt.
        """
        cursor: str | None = None
        for _ in range(_PAGES):
            found = await self._ask("history", self._page(channel, since, thread_ts, cursor))
            try:
                here = [m for m in found["messages"] if message_id in _ids(m)]
                cursor = (found.get("response_metadata") or {}).get("next_cursor")
            except (KeyError, TypeError, AttributeError) as error:
                raise _drift("history", "messages as they are documented") from error
            if here:
                return Place(channel, _text(here[0], "ts", "history"))
            if not cursor:
                return None
        said = "more messages than can be looked through"
        raise wire.SlackDoubt(said, vendor="slack", operation="history")

    def _page(
        self, channel: str, since: datetime, thread_ts: str | None, cursor: str | None
    ) -> Callable[[], SlackResponse]:
        oldest = f"{since.timestamp():.6f}"
        common: dict[str, Any] = {
            "channel": channel, "oldest": oldest, "limit": _PAGE, "include_all_metadata": True,
            "cursor": cursor,
        }  # fmt: skip
        if thread_ts is not None:
            return lambda: self._client.conversations_replies(ts=thread_ts, **common)
        return lambda: self._client.conversations_history(**common)

    async def _ask(self, operation: str, call: Callable[[], SlackResponse]) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await loop.run_in_executor(self._threads, call)
        except TimeoutError as trouble:
            raise wire.meaning(operation, trouble) from trouble
        except wire.TROUBLE as trouble:
            raise wire.meaning(operation, trouble) from trouble
        data = answer.data
        if not isinstance(data, dict):
            raise _drift(operation, "an object")
        return data


def _ids(message: Mapping[str, Any]) -> Iterator[str]:
    """Ids of ours on a message: in its metadata, and on its blocks (where those are lost)."""
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") == EVENT_TYPE:
        yield str((metadata.get("event_payload") or {}).get("id"))
    for block in message.get("blocks") or ():
        yield str(block.get("block_id"))


def _text(found: Mapping[str, Any], name: str, operation: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise _drift(operation, name)
    return value


def _drift(operation: str, name: str) -> VendorSchemaDrift:
    said = f"Slack's answer to {operation} lacks {name}"
    return VendorSchemaDrift(said, vendor="slack", operation=operation)
