"""Retries: reads are asked again, paid reads only when they certainly did not happen."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from guardrails.errors import VendorRejected, VendorUnavailable
from servers.common.http_errors import NeverSent
from servers.common.http_retry import retry_after
from servers.common.operations import Effect, Operation
from tests.servers.wires import CONFIG, Naps, ScriptedWire, answer, client_over

pytestmark = pytest.mark.anyio
READ = Operation("search", "POST", "/search", Effect.READ)
PAID = Operation("run", "POST", "/run", Effect.PAID_READ, idempotent=False, price="paid")
GOOD = answer(200, {"found": 1})
TIMEOUT = httpx.ReadTimeout("slow")
RESET = httpx.ReadError("reset")
NO_CONNECTION = httpx.ConnectError("refused")


@pytest.mark.parametrize(
    "first",
    [
        TIMEOUT,
        RESET,
        NO_CONNECTION,
        httpx.RemoteProtocolError("torn"),
        answer(429),
        answer(500),
        answer(502),
        answer(503),
        answer(504),
        httpx.Response(200, headers={"content-type": "application/json"}, content=b'{"found": '),
    ],
)
async def test_a_read_is_asked_again_after_a_passing_failure(
    first: httpx.Response | Exception,
) -> None:
    wire, naps = ScriptedWire(first, GOOD), Naps()
    got = await client_over(wire, (READ,), sleep=naps).request(READ, json={"a": 1})
    assert got.json() == {"found": 1}
    assert wire.bodies() == [{"a": 1}, {"a": 1}]
    assert len(naps.slept) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422])
async def test_a_refusal_is_not_asked_again(status: int) -> None:
    wire = ScriptedWire(answer(status, {"message": "no"}), GOOD)
    with pytest.raises(VendorRejected) as caught:
        await client_over(wire, (READ,)).request(READ, json={})
    assert (caught.value.status, len(wire.seen)) == (status, 1)


async def test_no_more_attempts_than_configured_and_waits_that_grow() -> None:
    wire, naps = ScriptedWire(answer(503)), Naps()
    with pytest.raises(VendorUnavailable) as caught:
        await client_over(wire, (READ,), sleep=naps).request(READ, json={})
    assert len(wire.seen) == 3
    assert caught.value.status == 503
    assert 0.125 <= naps.slept[0] <= 0.375 <= 0.25 + naps.slept[1]
    assert naps.slept[1] <= 0.75


async def test_retry_after_is_honoured() -> None:
    wire, naps = ScriptedWire(answer(429, Retry_After="7"), GOOD), Naps()
    await client_over(wire, (READ,), sleep=naps).request(READ, json={})
    assert 7 <= naps.slept[0] <= 7.25


async def test_a_retry_after_beyond_the_deadline_is_handed_on_and_not_waited_for() -> None:
    wire, naps = ScriptedWire(answer(429, Retry_After="3600"), GOOD), Naps()
    with pytest.raises(VendorUnavailable) as caught:
        await client_over(wire, (READ,), sleep=naps).request(READ, json={})
    assert caught.value.retry_after_s == 3600
    assert (len(wire.seen), naps.slept) == (1, [])


async def test_an_unreadable_retry_after_falls_back_to_the_usual_wait() -> None:
    wire, naps = ScriptedWire(answer(429, Retry_After="soon"), GOOD), Naps()
    await client_over(wire, (READ,), sleep=naps).request(READ, json={})
    assert naps.slept[0] <= 0.375


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("9" * 400, 86_400),  # a day at most: nobody's clock knows the year after that
        ("Tue, 10 Mar 2026 14:01:00 GMT", 60),
        ("Tuesday, 10-Mar-26 14:01:00 GMT", 60),  # the two older forms of an HTTP date
        ("Tue Mar 10 14:01:00 2026", 60),
        ("Tue Mar  3 14:01:00 2026", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("", None),
        ("soon", None),
        ("1.5", None),
        ("-1", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        ("Tue, 10 Mar 2026 14:01:00 +99999999999999999", None),
    ],
)
def test_retry_after_in_every_form(stated: str, seconds: float | None) -> None:
    now = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
    said = httpx.Response(429, headers=[(b"retry-after", stated.encode())])
    assert retry_after(said, now) == seconds


@pytest.mark.parametrize(
    "failure", [TIMEOUT, RESET, httpx.RemoteProtocolError("torn"), answer(500), answer(503)]
)
async def test_a_paid_read_that_may_have_happened_is_never_asked_again(
    failure: httpx.Response | Exception,
) -> None:
    wire = ScriptedWire(failure, GOOD)
    with pytest.raises(VendorUnavailable) as caught:
        await client_over(wire, (PAID,)).request(PAID, json={})
    assert len(wire.seen) == 1
    assert not isinstance(caught.value, NeverSent)


@pytest.mark.parametrize(
    "failure",
    [NO_CONNECTION, httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full"), answer(429)],
)
async def test_a_paid_read_that_certainly_did_not_happen_is_asked_again(
    failure: httpx.Response | Exception,
) -> None:
    wire = ScriptedWire(failure, GOOD)
    assert (await client_over(wire, (PAID,)).request(PAID, json={})).json() == {"found": 1}
    assert len(wire.seen) == 2


async def test_a_vendor_that_was_never_reached_is_told_apart() -> None:
    with pytest.raises(NeverSent):
        await client_over(ScriptedWire(NO_CONNECTION), (PAID,)).request(PAID, json={})


async def test_a_body_torn_in_mid_stream_is_asked_for_again() -> None:
    class Torn(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield b'{"found"'
            raise httpx.ReadError("reset")

    wire = ScriptedWire(lambda request: httpx.Response(200, stream=Torn()), GOOD)
    assert (await client_over(wire, (READ,)).request(READ, json={})).json() == {"found": 1}


@pytest.mark.parametrize(
    "torn",
    [
        gzip.compress(b'{"found": 1}')[:-9],
        gzip.compress(b'{"found": 1}')[:5],  # nothing of it can be read yet: no empty answer
        gzip.compress(b"{}") * 2,  # only the first would be the answer
        gzip.compress(b"{}") + b"more",
    ],
    ids=["torn", "hardly begun", "twice", "and more"],  # gzip writes the time into it
)
async def test_a_gzip_body_that_was_cut_off_or_goes_on_is_asked_for_again(torn: bytes) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}

    def sent(body: bytes) -> Callable[[httpx.Request], httpx.Response]:
        return lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))

    wire = ScriptedWire(sent(torn), sent(gzip.compress(b'{"found": 1}')))
    assert (await client_over(wire, (READ,)).request(READ, json={})).json() == {"found": 1}
    assert len(wire.seen) == 2


async def test_the_deadline_covers_all_attempts_together() -> None:
    class Silent(ScriptedWire):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            await asyncio.Event().wait()
            raise AssertionError

    brief = CONFIG.timeouts.model_copy(update={"total": 0.05})
    wire = Silent(GOOD)
    client = client_over(wire, (READ,), config=CONFIG.model_copy(update={"timeouts": brief}))
    with pytest.raises(VendorUnavailable, match="no answer"):
        await client.request(READ, json={})
    assert len(wire.seen) == 1


async def test_concurrent_requests_count_their_attempts_apart() -> None:
    wire = ScriptedWire(answer(503))
    client = client_over(wire, (READ,))
    asked = (client.request(READ, json={"n": n}) for n in range(10))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, VendorUnavailable) for outcome in outcomes)
    assert sorted(body["n"] for body in wire.bodies()) == sorted([*range(10)] * 3)
