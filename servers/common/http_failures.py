"""What one failed attempt was. Owns: its kind and detail, and whether it counts for the breaker.

Pure: looks at an answer or an exception and says what it means, from the vendors' own texts
(`error` and `message` fields) and from the causes behind an exception. Refuses to quote a body
that is no error envelope, and to call it a failure when nothing was sent.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import httpx

from guardrails.brakes.failures import FailureKind, clean
from guardrails.errors import VendorSchemaDrift
from servers.common.http_errors import Scrubber, excerpt
from servers.common.http_wire import MALFORMED
from servers.common.operations import Operation

BreakerOutcome = Literal["ok", "failure", "neutral"]
_DEEPEST = 12  # causes looked at behind one exception
_OURS = (httpx.PoolTimeout, httpx.LocalProtocolError, httpx.UnsupportedProtocol)
_IDENTITY_LOOK_UP = re.compile(r"/[a-z]+_to_[a-z_]+\Z")  # RB2B: 404 is its "nobody"
# What the vendors say, in lower case. The first that fits decides; a status alone says less.
_SAID: tuple[tuple[re.Pattern[str], frozenset[int], FailureKind], ...] = (
    (re.compile(r"version header|api version"), frozenset({400, 401, 403}), "version_header"),
    (
        re.compile(
            r"not authorized for this scope|user type mismatch|authclass type|missing[_ ]scope"
            r"|insufficient[_ ](?:scope|permission)|access to this location|scopes?\b"
        ),
        frozenset({401, 403}),
        "auth_scope",
    ),
    (
        re.compile(r"insufficient.credits?|no credits|credits? (?:exhausted|limit)|paid plan"),
        frozenset({400, 402, 403, 429}),
        "quota",
    ),
    (
        re.compile(r"does not allow duplicated contacts|duplicate(?:d)? contact"),
        frozenset({400, 409, 422}),
        "duplicate_contact",
    ),
)
_BY_STATUS: dict[int, FailureKind] = {
    401: "auth_key",
    402: "quota",
    403: "auth_scope",
    408: "server_error",
    429: "rate_limit",
}


@dataclass(frozen=True)
class Noted:
    """One failed attempt. `detail` holds no key and no address."""

    kind: FailureKind
    status: int | None
    detail: str


def noted(
    operation: Operation, outcome: httpx.Response | BaseException, scrub: Scrubber
) -> Noted | None:
    """What failed; None when the attempt was good, or when nothing of it left this machine.

    Args:
        outcome: the answer (its body read), or what was raised instead.
        scrub: takes the vendor's keys out of text.
    """
    if isinstance(outcome, httpx.Response):
        return _answered(operation, outcome, scrub)
    if isinstance(outcome, VendorSchemaDrift):
        return Noted("schema_drift", outcome.status, clean(scrub(outcome.message)))
    if isinstance(outcome, httpx.TransportError):
        kind, why = _raised(outcome)
        return Noted(kind, None, clean(scrub(f"no answer ({type(outcome).__name__}{why})")))
    return None


def breaker_outcome(outcome: httpx.Response | BaseException) -> BreakerOutcome:
    """How an attempt counts: a vendor that is down fails, one that says no does not.

    `failure`: 408, 5xx, no answer, a success that is no JSON. `neutral`: any other 4xx, a
    redirect, and whatever was our own doing (no free connection, a stop, a cancelled call).
    """
    if isinstance(outcome, httpx.Response):
        if outcome.status_code == 408 or outcome.status_code >= 500 or broken_json(outcome):
            return "failure"
        return "ok" if outcome.is_success else "neutral"
    if isinstance(outcome, _OURS) or not isinstance(outcome, httpx.TransportError):
        return "neutral"
    return "failure"


def broken_json(response: httpx.Response) -> bool:
    """Whether a success that says it is JSON is not (found while its body was read)."""
    return bool(response.is_success and response.extensions.get(MALFORMED))


def _answered(operation: Operation, response: httpx.Response, scrub: Scrubber) -> Noted | None:
    status = response.status_code
    if response.is_success:
        if not broken_json(response):
            return None
        size, kind = len(response.content), response.headers.get("content-type", "")
        return Noted("malformed", status, clean(f"the answer is not JSON ({size} bytes, {kind})"))
    if status == 404 and _IDENTITY_LOOK_UP.match(operation.path):
        return None
    if response.is_redirect:
        return Noted("rejected", status, "a redirect, which is not followed")
    said = excerpt(response.content, scrub)
    shown = f"HTTP {status}" + (f": {said}" if said else "")
    return Noted(_kind_of(status, said.lower()), status, clean(shown))


def _kind_of(status: int, said: str) -> FailureKind:
    for pattern, statuses, kind in _SAID:
        if status in statuses and pattern.search(said):
            return kind
    if status >= 500:
        return "server_error"
    return _BY_STATUS.get(status, "rejected")


def _raised(error: httpx.TransportError) -> tuple[FailureKind, str]:
    """Kind, and what is behind the exception in words."""
    if isinstance(error, httpx.TimeoutException):
        return "timeout", ""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "dns", f": the name does not resolve, {cause.strerror or 'no address'}"
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "")
            return "tls", f": {reason or 'handshake failed'}"
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return "connection", f": {cause.strerror}"
    return _by_words(str(error))


def _by_words(said: str) -> tuple[FailureKind, str]:
    """For transports that keep no cause: httpx's own words."""
    text = said.lower()
    if any(words in text for words in ("name or service", "getaddrinfo", "name resolution")):
        return "dns", ": the name does not resolve"
    if "certificate" in text or "ssl" in text or "tls" in text:
        return "tls", ": the certificate or handshake failed"
    return "connection", ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error`, what caused it and what was being handled, members of groups included."""
    waiting, seen = [error], 0
    while waiting and seen < _DEEPEST:
        one = waiting.pop(0)
        seen += 1
        yield one
        behind = one.__cause__ or one.__context__
        waiting += [behind] if behind is not None else []
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
