"""Each fault looks to the layers above as if the vendor or the network had done it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from guardrails.brakes.chaos import ChaosEvent
from guardrails.config.models import FailureInjection
from guardrails.correlation import Correlation, correlated
from guardrails.errors import VendorRejected
from servers.common.fault_answers import error_answer
from servers.common.fault_plan import HTTP_FAULTS, FaultPlan
from servers.common.http_brakes import INJECTED
from servers.common.http_faults import FaultInjection, request_identity
from servers.common.http_lock import OPERATION
from servers.common.http_wire import WholeBody
from servers.common.operations import Effect, Operation
from servers.ghl.vendor import OPERATIONS
from servers.ghl.vendor import SEARCH as GHL_SEARCH
from servers.sandbox.host import environment
from servers.sandbox.wire import Call
from tests.servers.wires import Naps, ScriptedWire, answer, client_over, sandbox

pytestmark = pytest.mark.anyio
SEARCH = Operation("search_contacts", "POST", "/contacts/search", Effect.READ)
BODY = {"contacts": [{"id": f"c{n}"} for n in range(20)]}
READ_S = 4.0
NOT_SENT = ("timeout_before", "http_429", "http_500", "http_503")
SENT_ONCE = ("timeout_after", "slow", "truncated_json", "malformed_json", "created_422")


def plan(*faults: str, rate: float = 1.0, seed: int = 1, **more: Any) -> FaultPlan:
    asked = {"enabled": True, "rate": rate, "seed": seed, "faults": faults} | more
    return FaultPlan(FailureInjection.model_validate(asked))


class Layer:
    """The layer over a scripted wire, under `WholeBody` as in the stack."""

    def __init__(self, faults: FaultPlan, wire: httpx.AsyncBaseTransport, vendor: str = "ghl"):
        self.wire = wire
        self.naps = Naps()
        self.events: list[ChaosEvent] = []
        ids = itertools.count(1)
        self.layer = FaultInjection(
            wire,
            vendor=vendor,
            plan=faults,
            read_timeout_s=9.0,
            sleep=self.naps,
            record=self.events.append,
            new_id=lambda: str(next(ids)),
        )
        self.whole = WholeBody(self.layer, vendor=vendor, limit=1_000_000)

    async def send(self, request: httpx.Request | None = None) -> httpx.Response:
        return await self.whole.handle_async_request(request or asked())


def asked(body: Any = None, **extensions: Any) -> httpx.Request:
    request = httpx.Request(
        "POST", "https://vendor.example/contacts/search", json=body or {"page": 1}
    )
    request.extensions = {OPERATION: SEARCH, "timeout": {"read": READ_S}} | extensions
    return request


async def outcome(layer: Layer, request: httpx.Request) -> httpx.Response | Exception:
    try:
        return await layer.send(request)
    except httpx.TransportError as error:
        return error


@pytest.mark.parametrize("fault", NOT_SENT)
async def test_a_fault_before_the_vendor_sends_nothing(fault: str) -> None:
    layer = Layer(plan(fault), wire := ScriptedWire(answer(200, BODY)))
    await outcome(layer, request := asked())
    assert wire.seen == []
    assert request.extensions[INJECTED] == fault


@pytest.mark.parametrize("fault", SENT_ONCE)
async def test_a_fault_after_the_vendor_sends_exactly_once(fault: str) -> None:
    layer = Layer(plan(fault), wire := ScriptedWire(answer(200, BODY)))
    await outcome(layer, request := asked())
    assert len(wire.seen) == 1
    assert request.extensions[INJECTED] == fault


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
async def test_a_timeout_waits_as_long_as_the_request_would(fault: str) -> None:
    layer = Layer(plan(fault), ScriptedWire(answer(200, BODY)))
    with pytest.raises(httpx.ReadTimeout) as raised:
        await layer.send(request := asked())
    assert raised.value.request is request
    assert layer.naps.slept == [READ_S]


async def test_a_request_without_a_timeout_waits_the_vendors() -> None:
    layer = Layer(plan("timeout_before"), ScriptedWire(answer()))
    with pytest.raises(httpx.ReadTimeout):
        await layer.send(asked(timeout={}))
    assert layer.naps.slept == [9.0]


async def test_half_of_the_resets_come_before_and_half_after_sending() -> None:
    layer = Layer(plan("reset"), wire := ScriptedWire(answer(200, BODY)))
    for page in range(400):
        with pytest.raises(httpx.ReadError):
            await layer.send(asked({"page": page}))
    assert 150 < len(wire.seen) < 250


async def test_429_hints_when_to_come_back_in_one_of_two_ways() -> None:
    layer = Layer(plan("http_429"), ScriptedWire(answer()))
    answers = [await layer.send(asked({"page": page})) for page in range(200)]
    assert {got.status_code for got in answers} == {429}
    by_seconds = [got for got in answers if got.headers.get("retry-after") == "1"]
    by_quota = [got for got in answers if got.headers.get("x-ratelimit-remaining") == "0"]
    assert 70 < len(by_seconds) < 130
    assert len(by_seconds) + len(by_quota) == 200
    assert all("x-ratelimit-interval-milliseconds" in got.headers for got in by_quota)


async def test_a_slow_answer_is_late_but_in_time_and_whole() -> None:
    layer = Layer(plan("slow"), ScriptedWire(answer(200, BODY)))
    for page in range(50):
        assert (await layer.send(asked({"page": page}))).json() == BODY
    assert all(0.3 * READ_S <= nap <= 0.7 * READ_S for nap in layer.naps.slept)
    assert len(set(layer.naps.slept)) > 25


async def test_a_truncated_answer_breaks_as_a_broken_connection_does() -> None:
    layer = Layer(plan("truncated_json"), ScriptedWire(answer(200, BODY)))
    size = len(answer(200, BODY).content)
    with pytest.raises(httpx.RemoteProtocolError) as raised:
        await layer.send()
    expected = f"(received {size // 2} bytes, expected {size})"
    assert str(raised.value).endswith(expected)


@pytest.mark.parametrize("stated", [True, False])
async def test_the_first_half_of_a_truncated_answer_arrives(stated: bool) -> None:
    class Pieces(httpx.AsyncByteStream):
        closed = False

        async def __aiter__(self):
            for piece in (b"abcd", b"efgh", b"ijkl"):
                yield piece

        async def aclose(self) -> None:
            self.closed = True

    pieces = Pieces()
    length = {"Content-Length": "12"} if stated else {}
    wire = ScriptedWire(lambda request: httpx.Response(200, headers=length, stream=pieces))
    layer = Layer(plan("truncated_json"), wire)
    response = await layer.layer.handle_async_request(asked())
    got: list[bytes] = []

    async def read() -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for piece in response.stream:
            got.append(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert b"".join(got) == (b"abcdef" if stated else b"ab")
    await response.aclose()
    assert pieces.closed


async def test_an_empty_answer_can_be_torn_too() -> None:
    layer = Layer(plan("truncated_json"), ScriptedWire(httpx.Response(200)))
    with pytest.raises(httpx.RemoteProtocolError):
        await layer.send()


async def test_a_malformed_answer_is_whole_says_json_and_is_none() -> None:
    layer = Layer(plan("malformed_json"), ScriptedWire(answer(200, BODY)))
    got = await layer.send()
    assert got.status_code == 200
    assert got.headers["content-type"].startswith("application/json")
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(got.content)


async def test_created_422_lets_the_vendor_act_and_says_it_refused() -> None:
    layer = Layer(plan("created_422"), wire := ScriptedWire(answer(201, BODY)))
    got = await layer.send()
    assert got.status_code == 422
    assert isinstance(got.json()["message"], list)
    assert len(wire.seen) == 1


@pytest.mark.parametrize("status", [422, 429, 500, 503])
@pytest.mark.parametrize("vendor", ["ghl", "instantly", "clay", "rb2b", "gdelt", "google_news"])
def test_injected_errors_have_the_form_of_the_twins(vendor: str, status: int) -> None:
    twin = sandbox().twins[vendor]
    theirs = twin.failure(Call("GET", "/", b"", (), b""), status, "Message")
    ours = error_answer(vendor, status, "Message")
    assert ours.headers["content-type"] == theirs.content_type.decode()
    if "json" in ours.headers["content-type"]:
        assert ours.json().keys() == orjson.loads(theirs.body).keys()
    else:
        assert ours.content == theirs.body


async def test_without_a_fault_the_answer_is_the_vendors_own() -> None:
    layer = Layer(plan(*HTTP_FAULTS, rate=0.0), wire := ScriptedWire(answer(200, BODY)))
    got = await layer.send(request := asked(**{INJECTED: "reset"}))  # of the attempt before
    assert got.json() == BODY
    assert len(wire.seen) == 1
    assert INJECTED not in request.extensions
    assert layer.naps.slept == []


async def test_each_pass_is_recorded_with_whose_work_it_was() -> None:
    target = {"lead_id": "L-1", "site": "ghl.search_contacts", "fault": "http_503"}
    layer = Layer(plan(rate=0.0, targets=[target]), ScriptedWire(answer()))
    with correlated(Correlation("L-1", "R-1")):
        for attempt in (1, 2):
            await layer.send(asked(**{"swarm.attempt": attempt}))
    await layer.send()
    first = ChaosEvent(
        "X-1", layer.events[0].at, "ghl.search_contacts", "http_503", 1, "L-1", "R-1"
    )
    assert layer.events[0] == first
    assert layer.events[1] == replace(
        first, event_id="X-2", at=layer.events[1].at, fault=None, attempt=2
    )
    assert (layer.events[2].lead_id, layer.events[2].run_id) == (None, None)


async def test_a_target_is_hit_once_though_the_lead_asks_for_other_things_there() -> None:
    target = {"lead_id": "L-1", "site": "ghl.search_contacts", "fault": "http_503"}
    layer = Layer(plan(rate=0.0, targets=[target]), ScriptedWire(answer()))
    with correlated(Correlation("L-1", "R-1")):
        got = [(await layer.send(asked({"page": page}))).status_code for page in (1, 2, 3)]
    assert got == [503, 200, 200]


async def test_the_same_leads_meet_the_same_faults_in_any_order() -> None:
    async def seen(leads: list[str]) -> dict[tuple[str, int], str | None]:
        layer = Layer(plan(*HTTP_FAULTS, rate=0.4, seed=5), ScriptedWire(answer()))
        found: dict[tuple[str, int], str | None] = {}
        for nth, lead in itertools.product((1, 2, 3), leads):
            with correlated(Correlation(lead, "R")):
                await outcome(layer, asked({"for": "all alike"}))
            found[lead, nth] = layer.events[-1].fault
        return found

    leads = [f"L-{n}" for n in range(20)]
    assert await seen(leads) == await seen(leads[::-1])


def test_requests_differ_by_path_query_and_body_and_not_by_the_leads_own_id() -> None:
    def of(lead: str, path: str = "/run", body: str = "", query: str = "") -> str:
        url = f"https://vendor.example{path}?{query}"
        request = httpx.Request("POST", url, content=f"{lead}{body}")
        return request_identity(request, lead)

    assert of("L-aaa") == of("L-bbb")
    assert len({of("L"), of("L", path="/x"), of("L", body="x"), of("L", query="x")}) == 4


def test_an_identity_shows_nothing_of_query_and_body() -> None:
    request = httpx.Request("POST", "https://vendor.example/run?key=secret1", content="secret2")
    shown = request_identity(request, None)
    assert shown.startswith("POST /run ")
    assert "secret" not in shown


@pytest.mark.parametrize("fault", [None, *HTTP_FAULTS])
async def test_one_fault_before_the_twin_costs_at_most_one_more_request(fault: str | None) -> None:
    app, env, events = sandbox(), environment(1), []
    target = {"lead_id": "L-1", "site": "ghl.search_contacts", "fault": fault}
    chaos = FaultInjection(
        httpx.ASGITransport(app),
        vendor="ghl",
        plan=plan(rate=0.0, targets=[target] if fault else []),
        read_timeout_s=1,
        sleep=Naps(),
        record=events.append,
    )
    keys = {"Authorization": f"Bearer {env['GHL_PROD_API_KEY']}"}
    client = client_over(chaos, OPERATIONS, base="http://127.0.0.1/ghl", keys=keys)

    async def search() -> int:
        body = {"locationId": env["GHL_LOCATION_ID"], "pageLimit": 5}
        version = {"Version": "2021-07-28"}
        got = await client.request(GHL_SEARCH, json=body, headers=version)
        return len(got.document()["contacts"])

    with correlated(Correlation("L-1", "R-1")):
        if fault == "created_422":
            with pytest.raises(VendorRejected, match="HTTP 422"):
                await search()
        else:
            assert await search() == 5
    reached = app.site.counters.report()["total"]
    retried = fault not in (None, "slow", "created_422")
    assert [event.fault for event in events] == [fault] + [None] * retried
    lost = fault in ("timeout_after", "truncated_json", "malformed_json")
    if fault != "reset":  # before or after sending, by hash
        assert reached == 1 + lost
