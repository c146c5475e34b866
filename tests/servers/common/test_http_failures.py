"""What one failed attempt was: the vendors' own texts, and the causes behind an exception."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from guardrails.errors import BreakerOpen, Stopped, VendorSchemaDrift
from servers.common.http_errors import Scrubber
from servers.common.http_failures import breaker_outcome, noted
from servers.common.http_wire import MALFORMED
from servers.common.operations import Effect, Operation

GET = Operation("get_contact", "GET", "/contacts/{contact_id}", Effect.READ)
LOOK_UP = Operation("hem", "POST", "/hem_to_business_profile", Effect.PAID_READ)
SCRUB = Scrubber([SecretStr("Bearer pit-secret-1")])


def raised(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"message": "version header was not found."}, "version_header"),
        (400, {"message": "Invalid API version segment 'x' at position 0"}, "version_header"),
        (401, {"message": "The token is not authorized for this scope."}, "auth_scope"),
        (401, {"message": "Token's user type mismatch!"}, "auth_scope"),
        (403, {"message": "The token does not have access to this location."}, "auth_scope"),
        (401, {"message": "This authClass type is not allowed to access this"}, "auth_scope"),
        (401, {"message": "Invalid Private Integration token"}, "auth_key"),
        (401, {"error": "missing_api_key"}, "auth_key"),
        (401, {}, "auth_key"),
        (403, {"message": "Forbidden"}, "auth_scope"),
        (402, {"message": "Insufficient credits"}, "quota"),
        (402, {"error": "insufficient_credits"}, "quota"),
        (400, {"message": "This location does not allow duplicated contacts."},
         "duplicate_contact"),
        (429, {"message": "Too Many Requests"}, "rate_limit"),
        (408, {}, "server_error"),
        (503, {}, "server_error"),
        (522, {}, "server_error"),
        (422, {"message": ["property additionalEmails should not exist"]}, "rejected"),
        (400, {"message": "Contact with id x not found"}, "rejected"),
        (404, {"message": "not found"}, "rejected"),
        (302, {}, "rejected"),
    ],
)  # fmt: skip
def test_a_vendors_refusal_has_its_kind(status: int, body: dict[str, Any], kind: str) -> None:
    headers = {"location": "https://elsewhere.example"} if status == 302 else {}
    found = noted(GET, httpx.Response(status, json=body, headers=headers), SCRUB)
    assert found is not None
    assert (found.kind, found.status) == (kind, status)


def test_the_keys_and_addresses_a_vendor_repeats_are_not_kept() -> None:
    text = "pit-secret-1 of jane@corp.example is unknown"
    found = noted(GET, httpx.Response(401, json={"message": text}), SCRUB)
    assert found is not None
    assert found.detail == "HTTP 401: *** of <address> is unknown"


def test_only_a_vendors_error_text_is_quoted() -> None:
    found = noted(GET, httpx.Response(500, text="<html>first_name: Jane</html>"), SCRUB)
    assert found is not None
    assert found.detail == "HTTP 500"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (raised(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
         "dns", "does not resolve"),
        (raised(httpx.ConnectError("x"), raised(OSError("all"), ExceptionGroup(
            "g", [socket.gaierror(-3, "Temporary failure in name resolution")]))), "dns", "name"),
        (raised(httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "verify failed")),
         "tls", ""),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "tls", "certificate"),
        (raised(httpx.ConnectError("x"), ConnectionRefusedError(111, "Connection refused")),
         "connection", "Connection refused"),
        (httpx.RemoteProtocolError("Server disconnected"), "connection", "RemoteProtocolError"),
        (httpx.ReadTimeout("slow"), "timeout", "ReadTimeout"),
        (httpx.ConnectTimeout("slow"), "timeout", "ConnectTimeout"),
        (httpx.PoolTimeout("full"), "timeout", "PoolTimeout"),
    ],
)  # fmt: skip
def test_an_exception_is_known_by_its_causes(error: Exception, kind: str, said: str) -> None:
    found = noted(GET, error, SCRUB)
    assert found is not None
    assert (found.kind, found.status) == (kind, None)
    assert said in found.detail


def test_a_success_and_what_never_left_are_no_failures() -> None:
    assert noted(GET, httpx.Response(200, json={}), SCRUB) is None
    assert noted(GET, Stopped("stopped"), SCRUB) is None
    assert noted(GET, BreakerOpen("open", vendor="ghl", operation="x"), SCRUB) is None
    assert noted(GET, asyncio.CancelledError(), SCRUB) is None


def test_nobody_found_by_an_identity_look_up_is_an_answer() -> None:
    assert noted(LOOK_UP, httpx.Response(404, json={"error": "not_found"}), SCRUB) is None
    assert noted(LOOK_UP, httpx.Response(401, json={"error": "x"}), SCRUB) is not None


def test_a_cut_off_success_is_malformed() -> None:
    torn = httpx.Response(
        200,
        content=b'{"contacts": [',
        headers={"content-type": "application/json"},
        extensions={MALFORMED: True},
    )
    found = noted(GET, torn, SCRUB)
    assert found is not None
    assert found.kind == "malformed"
    assert "contacts" not in found.detail
    assert breaker_outcome(torn) == "failure"


def test_an_answer_that_is_too_large_is_drift() -> None:
    error = VendorSchemaDrift("larger than allowed", vendor="ghl", operation="x", status=200)
    found = noted(GET, error, SCRUB)
    assert found is not None
    assert found.kind == "schema_drift"


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (httpx.Response(200), "ok"),
        (httpx.Response(201), "ok"),
        (httpx.Response(408), "failure"),
        (httpx.Response(500), "failure"),
        (httpx.Response(503), "failure"),
        (httpx.Response(429), "neutral"),
        (httpx.Response(401), "neutral"),
        (httpx.Response(404), "neutral"),
        (httpx.Response(302), "neutral"),
        (httpx.ReadTimeout("x"), "failure"),
        (httpx.ConnectError("x"), "failure"),
        (httpx.RemoteProtocolError("x"), "failure"),
        (httpx.PoolTimeout("x"), "neutral"),  # our own pool, not the vendor
        (httpx.LocalProtocolError("x"), "neutral"),
        (asyncio.CancelledError(), "neutral"),
        (Stopped("x"), "neutral"),
    ],
)
def test_the_breaker_counts_a_vendor_that_is_down_and_not_one_that_says_no(
    outcome: httpx.Response | BaseException, counts: str
) -> None:
    assert breaker_outcome(outcome) == counts


@pytest.mark.anyio
async def test_a_refused_connection_is_found_on_a_real_socket() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get(f"http://127.0.0.1:{port}/")
    found = noted(GET, caught.value, SCRUB)
    assert found is not None
    assert found.kind == "connection"
