"""Slack's interactions: only Slack's, only fresh ones, answered in time and handed over whole."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier
from structlog.testing import capture_logs

from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.gateway.clicks import Clicks
from orchestrator.gateway.ground import Attachment
from orchestrator.gateway.proofs import SLACK_WINDOW_S, SlackSecret
from orchestrator.slack.payloads import Ack
from servers.common.contract_sandbox import SLACK_SIGNING_SECRET, environment
from tests.conftest import SteppableClock
from tests.orchestrator.gateway.house import LIMIT, House, dripping, house

pytestmark = pytest.mark.anyio
CLICK: dict[str, Any] = {"type": "block_actions", "user": {"id": "U1"}, "actions": [{"value": "v"}]}
Json = Mapping[str, Any]


class Handler:
    """Stands for what decides about a click."""

    def __init__(self) -> None:
        self.payloads: list[Json] = []
        self.answer = Ack()
        self.error: Exception | None = None

    async def __call__(self, payload: Json) -> Ack:
        self.payloads.append(payload)
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
async def door(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, handler: Handler
) -> AsyncIterator[House]:
    async with house(hive, sqlite_store, clock, Attachment(handler)) as opened:
        yield opened


def form(payload: Json) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(body: bytes, at: float, secret: str = SLACK_SIGNING_SECRET) -> dict[str, str]:
    stamp = str(int(at))
    made = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
    assert made is not None
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": made}


async def send(door: House, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    encoded = {name: value.encode("latin-1", "replace") for name, value in headers.items()}
    answer = await door.client.post("/slack/interactions", content=body, headers=encoded)
    return answer.status_code, answer.text


async def test_a_click_is_handed_over_and_answered_empty(door: House, handler: Handler) -> None:
    body = form(CLICK)
    assert await send(door, body, signed(body, door.clock().timestamp())) == (200, "")
    assert handler.payloads == [CLICK]


async def test_what_the_handler_says_is_the_answer(door: House, handler: Handler) -> None:
    said = {"response_action": "errors", "errors": {"text": "A reason is needed."}}
    handler.answer = Ack(body=said)
    body = form(CLICK)
    status, text = await send(door, body, signed(body, door.clock().timestamp()))
    assert (status, json.loads(text)) == (200, said)
    handler.answer = Ack(403)
    assert await send(door, body, signed(body, door.clock().timestamp())) == (403, "")


async def test_tampered_stale_and_strange_requests_reach_nobody(
    door: House, handler: Handler
) -> None:
    now, body = door.clock().timestamp(), form(CLICK)
    good = signed(body, now)
    attempts = [
        (body + b"&x=1", good),
        (form(CLICK | {"user": {"id": "U2"}}), good),
        (body, signed(body, now, secret="another app's secret")),
        (body, signed(body, now - SLACK_WINDOW_S - 1)),
        (body, signed(body, now + SLACK_WINDOW_S + 1)),
        (body, good | {"x-slack-request-timestamp": str(int(now) - 1)}),
        (body, good | {"x-slack-signature": good["x-slack-signature"].upper()}),
        (body, good | {"x-slack-signature": good["x-slack-signature"][3:]}),
        (body, good | {"x-slack-signature": "v0=é"}),
        (body, {"x-slack-signature": good["x-slack-signature"]}),
        (body, {"x-slack-request-timestamp": str(int(now))}),
        (body, {}),
    ]
    odd = ["abc", "", " ", "1e9", "-1", "+1", "0x10", "١٢٣", f"{int(now)}.0", "9" * 40, f" {now}"]
    attempts += [(body, good | {"x-slack-request-timestamp": stamp}) for stamp in odd]
    for sent, headers in attempts:
        status, text = await send(door, sent, headers)
        assert status in (401, 429), headers
        assert "payload" not in text
    assert handler.payloads == []


async def test_a_request_is_taken_up_to_five_minutes_old(door: House, handler: Handler) -> None:
    body = form(CLICK)
    for age in (SLACK_WINDOW_S, -SLACK_WINDOW_S):
        assert (await send(door, body, signed(body, door.clock().timestamp() - age)))[0] == 200
    assert len(handler.payloads) == 2


def test_slacks_own_example_holds() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    made = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    secret = SlackSecret("8f742231b10e8888abcd99yyyzzz85a5")
    assert secret.signed(body, "1531420618", made, 1531420618.0)
    assert not secret.signed(body, "1531420619", made, 1531420618.0)


@given(st.text(max_size=40), st.integers(0, 10**11), st.text(min_size=1).filter(str.strip))
def test_it_agrees_with_slacks_own_library(body: str, stamp: int, secret: str) -> None:
    made = SignatureVerifier(secret).generate_signature(timestamp=str(stamp), body=body)
    assert SlackSecret(secret).signed(body.encode(), str(stamp), made, float(stamp))


@given(st.binary(max_size=20), st.text(max_size=20), st.text(max_size=80))
def test_nothing_in_a_header_raises(body: bytes, stamp: str, signature: str) -> None:
    assert not SlackSecret("secret").signed(body, stamp, signature, 0.0)


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=%5B%5D", b"payload=x", b"\xff\xfe", b"a=1", b"&" * 50, b"payload"],
)
async def test_what_is_signed_and_no_payload_gets_400(
    door: House, handler: Handler, body: bytes
) -> None:
    assert (await send(door, body, signed(b"", door.clock().timestamp())))[0] in (400, 401)
    stamped = {"x-slack-request-timestamp": str(int(door.clock().timestamp()))}
    made = _signature(body, stamped["x-slack-request-timestamp"])
    assert (await send(door, body, stamped | {"x-slack-signature": made}))[0] == 400
    assert handler.payloads == []


def _signature(body: bytes, stamp: str) -> str:
    import hashlib
    import hmac

    text = b"v0:" + stamp.encode() + b":" + body
    return "v0=" + hmac.new(SLACK_SIGNING_SECRET.encode(), text, hashlib.sha256).hexdigest()


async def test_slacks_check_of_the_address_is_answered(door: House, handler: Handler) -> None:
    body = b"ssl_check=1&token=x"
    assert (await send(door, body, signed(body, door.clock().timestamp())))[0] == 200
    assert handler.payloads == []


async def test_large_and_slow_bodies_are_not_listened_to(door: House, handler: Handler) -> None:
    body = b"payload=" + b"x" * LIMIT
    assert (await send(door, body, signed(body, door.clock().timestamp())))[0] == 413
    assert handler.payloads == []


async def test_a_handler_that_fails_is_an_error_and_says_nothing_of_the_payload(
    door: House, handler: Handler
) -> None:
    handler.error = RuntimeError("about ana@firm.example")
    body = form(CLICK | {"user": {"id": "U-secret"}})
    with capture_logs() as logs:
        status, text = await send(door, body, signed(body, door.clock().timestamp()))
    assert (status, text) == (500, "Internal error\n")
    assert "U-secret" not in repr(logs)


async def test_a_handler_slower_than_slack_goes_on_after_an_empty_answer(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    done, may = [], asyncio.Event()

    async def slow(payload: Json) -> Ack:
        await may.wait()
        done.append(payload)
        return Ack()

    async with house(hive, sqlite_store, clock) as door:
        clicks = _clicks(door, slow)
        body = form(CLICK)
        answer = await _direct(clicks, body, signed(body, clock().timestamp()))
        assert (answer, done) == (200, [])
        may.set()
        await clicks.finish()
    assert done == [CLICK]


def _clicks(door: House, interactions: Any) -> Clicks:
    from guardrails.config import load_config
    from orchestrator.gateway.door import Refusals

    now = door.clock().timestamp()
    rules = load_config().production.gateway
    secret = SlackSecret(SLACK_SIGNING_SECRET)
    return Clicks(rules, Refusals(5), secret, interactions, now=lambda: now, answer_s=0.05)


async def _direct(clicks: Clicks, body: bytes, headers: Mapping[str, str]) -> int:
    from starlette.requests import Request

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": listed, "query_string": b""}
    return (await clicks.handle(Request(scope, receive))).status_code


async def test_without_slack_the_door_is_closed(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, handler: Handler
) -> None:
    body = form(CLICK)
    headers = signed(body, clock().timestamp())
    no_secret = {k: v for k, v in environment().items() if k != "SLACK_SIGNING_SECRET"}
    async with house(hive, sqlite_store, clock, Attachment(handler), values=no_secret) as door:
        assert (await send(door, body, headers))[0] == 404
    async with house(hive, sqlite_store, clock) as door:
        assert (await send(door, body, headers))[0] == 404
    assert handler.payloads == []


async def test_a_body_that_never_ends_is_given_up(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, handler: Handler
) -> None:
    async with house(hive, sqlite_store, clock, Attachment(handler)) as door:
        headers = signed(b"", clock().timestamp())
        answer = await door.client.post(
            "/slack/interactions", content=dripping(b"payload="), headers=headers
        )
    assert answer.status_code == 408
