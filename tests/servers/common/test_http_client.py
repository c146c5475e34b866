"""The vendor client: errors in our words, bounded bodies, and keys that show nowhere."""

from __future__ import annotations

import gzip
import logging
import traceback

import httpx
import pytest
from pydantic import SecretStr

from guardrails.errors import ConfigError, VendorRejected, VendorSchemaDrift, VendorUnavailable
from guardrails.model import Mode
from servers.common.http import MAX_BODY_BYTES, open_client
from servers.common.http_keys import KeyHelp, required
from servers.common.operations import Effect, Operation
from tests.servers.wires import BASE, CONFIG, ScriptedWire, answer, client_over, safety_with

pytestmark = pytest.mark.anyio
READ = Operation("search", "POST", "/search", Effect.READ)
KEY = "pit-secret-123456789"
HELP = KeyHelp("SOME_KEY", "do something", "Somewhere: Settings.")


async def test_the_key_reaches_the_wire_and_no_repr() -> None:
    wire = ScriptedWire(answer(200, {"x": 1}))
    client = client_over(wire, (READ,), keys={"Api-Key": KEY})
    got = await client.request(READ, json={}, headers={"Version": "2021-07-28"})
    assert wire.seen[0].headers["api-key"] == KEY
    assert wire.seen[0].headers["version"] == "2021-07-28"
    response = await client.http.post("/search", json={})
    shown = [repr(client), repr(client.http.headers), repr(got), repr(vars(client))]
    shown += [repr(response), repr(response.request.headers)]
    assert not any(KEY in text for text in shown)


async def test_a_caller_cannot_replace_the_key() -> None:
    wire = ScriptedWire(answer())
    client = client_over(wire, (READ,), keys={"Authorization": f"Bearer {KEY}"})
    await client.http.post("/search", json={}, headers={"authorization": "Bearer other"})
    assert wire.seen[0].headers.get_list("authorization") == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        (401, VendorRejected, "key"),
        (402, VendorRejected, "credits"),
        (403, VendorRejected, "scope"),
        (404, VendorRejected, "base URL"),
        (422, VendorRejected, "parameter"),
        (418, VendorRejected, "key"),
        (408, VendorUnavailable, "status page"),
        (429, VendorUnavailable, "status page"),
        (500, VendorUnavailable, "status page"),
        (529, VendorUnavailable, "status page"),
    ],
)
async def test_each_status_means_one_error(status: int, kind: type, remedy: str) -> None:
    wire = ScriptedWire(answer(status, {"message": ["first", "second"]}))
    with pytest.raises(kind) as caught:
        await client_over(wire, (READ,)).request(READ, json={})
    error = caught.value
    assert (error.vendor, error.operation, error.status) == ("ghl", "search", status)
    assert f"HTTP {status} (first; second)" in error.message
    assert remedy in error.remedy


async def test_an_error_quotes_no_key_no_address_and_no_control_character() -> None:
    body = {"message": f"token {KEY} for ana@firm.example\x1b[31m\u202e bad " + "x" * 500}
    wire = ScriptedWire(answer(401, body))
    with pytest.raises(VendorRejected) as caught:
        await client_over(wire, (READ,), keys={"Authorization": f"Bearer {KEY}"}).request(
            READ, json={"email": "ana@firm.example"}
        )
    text = "".join(traceback.format_exception(caught.value))
    assert KEY not in text
    assert "ana@firm.example" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(caught.value.message) < 280


async def test_a_body_that_echoes_the_request_is_not_quoted() -> None:
    wire = ScriptedWire(answer(400, {"received": {"body": "Dear Ana, this is the whole e-mail"}}))
    with pytest.raises(VendorRejected) as caught:
        await client_over(wire, (READ,)).request(READ, json={})
    assert "Dear Ana" not in caught.value.message


async def test_a_redirect_is_an_error_and_is_not_followed() -> None:
    wire = ScriptedWire(httpx.Response(302, headers={"location": f"{BASE}/search"}))
    with pytest.raises(VendorRejected, match="redirect"):
        await client_over(wire, (READ,)).request(READ, json={})
    assert len(wire.seen) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_is_an_answer(status: int) -> None:
    wire = ScriptedWire(httpx.Response(status, content=b""))
    got = await client_over(wire, (READ,)).request(READ, json={})
    assert (got.status, got.json()) == (status, None)


@pytest.mark.parametrize("body", [b"<html>busy</html>", b'{"cut": ', b"\xff\xfe"])
async def test_what_is_not_json_is_unavailable_and_never_an_empty_answer(body: bytes) -> None:
    wire = ScriptedWire(httpx.Response(200, content=body))
    got = await client_over(wire, (READ,)).request(READ, json={})
    with pytest.raises(VendorUnavailable, match="not JSON"):
        got.json()


@pytest.mark.parametrize("body", [[], "text", 7])
async def test_json_of_another_kind_is_drift(body: object) -> None:
    got = await client_over(ScriptedWire(answer(200, body)), (READ,)).request(READ, json={})
    with pytest.raises(VendorSchemaDrift):
        got.document()


async def test_an_oversized_answer_is_refused() -> None:
    wire = ScriptedWire(httpx.Response(200, content=b"x" * (MAX_BODY_BYTES + 1)))
    with pytest.raises(VendorSchemaDrift, match="larger"):
        await client_over(wire, (READ,)).request(READ, json={})


async def test_a_small_body_that_unpacks_to_a_huge_one_is_refused() -> None:
    bomb = gzip.compress(b"0" * (MAX_BODY_BYTES * 4))
    wire = ScriptedWire(
        lambda request: httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb)
        )
    )
    with pytest.raises(VendorSchemaDrift, match="larger"):
        await client_over(wire, (READ,)).request(READ, json={})


async def test_an_encoding_nobody_asked_for_is_refused() -> None:
    wire = ScriptedWire(
        lambda request: httpx.Response(
            200, headers={"content-encoding": "br"}, stream=httpx.ByteStream(b"..")
        )
    )
    with pytest.raises(VendorSchemaDrift, match="encoding br"):
        await client_over(wire, (READ,)).request(READ, json={})


@pytest.mark.parametrize(
    "base",
    [
        "http://vendor.example",
        "ftp://vendor.example",
        "https://user:secret@vendor.example",
        "https://vendor.example/?x=1",
        "https://vendor.example/#x",
        "vendor.example",
    ],
)
def test_an_address_that_a_key_must_not_go_to_is_refused(base: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_client("ghl", CONFIG, base, (READ,), Mode.SHADOW, safety_with())
    assert "secret" not in str(caught.value)


async def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    wire = ScriptedWire(answer(200, {"x": 1}))
    got = await client_over(wire, (READ,)).request(READ, json={})
    assert got.json() == {"x": 1}


async def test_query_parameters_are_encoded() -> None:
    listing = Operation("list", "GET", "/list", Effect.READ)
    wire = ScriptedWire(answer())
    await client_over(wire, (listing,)).request(listing, params={"q": "a&b=c d@e", "n": 2})
    assert dict(wire.seen[0].url.params) == {"q": "a&b=c d@e", "n": "2"}


async def test_the_http_libraries_log_no_request_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = client_over(ScriptedWire(answer()), (READ,))
        await client.request(READ, json={"email": "ana@firm.example"})
    assert [record for record in caplog.records if record.name.startswith("httpx")] == []


@pytest.mark.parametrize("value", [None, SecretStr(""), SecretStr("   ")])
def test_a_missing_key_is_named_with_its_purpose_and_place(value: SecretStr | None) -> None:
    with pytest.raises(ConfigError, match="SOME_KEY is not set; it is needed to do something") as e:
        required(value, HELP)
    assert "Somewhere: Settings." in e.value.remedy


@pytest.mark.parametrize("value", ["abc def", "abc\ndef", "ключ", "abc\x00"])
def test_a_key_no_header_can_hold_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        required(SecretStr(value), HELP)
    assert value not in str(caught.value)


def test_a_key_pasted_with_a_line_end_is_trimmed() -> None:
    assert required(SecretStr("abc-1\n"), HELP).get_secret_value() == "abc-1"
