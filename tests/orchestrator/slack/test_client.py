"""Whatever comes back instead of Slack's answer is a plain no, or leaves a doubt; never a yes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from guardrails.errors import RateLimited, VendorError, VendorSchemaDrift
from orchestrator.slack.client import Message, Slack
from orchestrator.slack.settings import SlackSettings
from orchestrator.slack.wire import SlackDoubt, SlackDown, SlackRefused

pytestmark = pytest.mark.anyio
MESSAGE = Message("card:AP-1", "x")
OK = b'{"ok": true, "channel": "C1", "ts": "1.1"}'


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close"]
    lines += [f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[tuple[Slack, list[bytes]]]:
    """A server that answers every request with these bytes, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        asked.append(await reader.readexactly(length))
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = SlackSettings("xoxb-1", "C1", "A1", "T1", f"http://127.0.0.1:{port}")
    client = Slack(settings, timeout_s=2)
    try:
        yield client, asked
    finally:
        client.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (http(b""), SlackDoubt),
        (http(b"null"), SlackDoubt),
        (http(b"[]"), SlackDoubt),
        (http(b'"ok"'), SlackDoubt),
        (http(b"{}"), SlackDoubt),
        (http(b'{"ok": "yes'), SlackDoubt),
        (http(b"<html>Welcome to our proxy</html>"), SlackDoubt),
        (http(OK, length=4000), SlackDoubt),
        (http(b"\xff\xfe"), SlackDoubt),
        (b"", SlackDoubt),
        (b"SSH-2.0-OpenSSH_9.6\r\n", SlackDoubt),
        (http(OK, "500 Oops"), SlackDoubt),
        (http(b'{"ok": false, "error": "internal_error"}'), SlackDoubt),
        (http(b'{"ok": true}'), VendorSchemaDrift),
        (http(b'{"ok": true, "channel": "C1", "ts": 1.1}'), VendorSchemaDrift),
        (http(b'{"ok": false, "error": "channel_not_found"}'), SlackRefused),
        (http(b'{"ok": false, "error": "account_inactive"}', "403 Forbidden"), SlackRefused),
        (http(b"{}", "429 Slow down", "Retry-After: 7"), RateLimited),
        (http(b"", "429 Slow down", "Retry-After: soon"), RateLimited),
        (http(b"", "429 Slow down", "Retry-After: NaN"), RateLimited),
        (http(b'{"ok": false, "error": "ratelimited"}'), RateLimited),
    ],
)
async def test_each_answer_means_what_it_can_be_trusted_to_mean(
    raw: bytes, error: type[VendorError]
) -> None:
    async with answering(raw) as (slack, asked):
        with pytest.raises(error) as told:
            await slack.post("C1", MESSAGE)
    assert len(asked) == 1  # the SDK would ask twice after a lost connection
    assert "xoxb" not in told.value.message
    if isinstance(told.value, RateLimited):
        assert told.value.retry_after_s in (7.0, 30.0)


async def test_who_cannot_be_reached_did_nothing() -> None:
    settings = SlackSettings("xoxb-1", "C1", "A1", "T1", "http://127.0.0.1:1")
    client = Slack(settings, timeout_s=2)
    with pytest.raises(SlackDown):
        await client.post("C1", MESSAGE)
    client.close()


async def test_a_yes_is_a_yes() -> None:
    async with answering(http(OK)) as (slack, asked):
        place = await slack.post("C1", MESSAGE)
    assert (place.channel, place.ts) == ("C1", "1.1")
    assert b'"event_payload": {"id": "card:AP-1"}' in asked[0]


@pytest.mark.parametrize(
    "page",
    [b"{}", b'{"messages": null}', b'{"messages": ["x"]}', b'{"messages": [{"metadata": [1]}]}',
     b'{"messages": [], "response_metadata": [1]}'],
)  # fmt: skip
async def test_a_history_of_another_form_finds_nothing_and_denies_nothing(page: bytes) -> None:
    async with answering(http(page.replace(b"{", b'{"ok": true, ', 1))) as (slack, _):
        with pytest.raises((VendorSchemaDrift, SlackDoubt)):
            await slack.find("C1", "card:AP-1", datetime(2026, 3, 10, tzinfo=UTC))


async def test_a_search_without_an_end_is_a_doubt() -> None:
    page = b'{"ok": true, "messages": [], "response_metadata": {"next_cursor": "on"}}'
    async with answering(http(page)) as (slack, asked):
        with pytest.raises(SlackDoubt):
            await slack.find("C1", "card:AP-1", datetime(2026, 3, 10, tzinfo=UTC))
    assert len(asked) == 10
