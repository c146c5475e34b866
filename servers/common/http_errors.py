"""From a vendor's answer to our errors. Owns: which status means what, and what a message shows.

A message names vendor, operation and status and quotes a short piece of the vendor's own error
text, without keys, e-mail addresses and control characters (P8). Refuses to quote anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from pydantic import SecretStr

from guardrails.errors import VendorError, VendorRejected, VendorUnavailable
from servers.common.http_retry import NEVER_CONNECTED, RETRIED_STATUSES, retry_after
from servers.common.operations import Operation

EXCERPT_CHARS = 200
_ADDRESS = re.compile(r"[^\s\"'<>,;:()]+@[^\s\"'<>,;:()]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_REMEDIES = {
    401: "Check the key in .env: it is missing, wrong, revoked or of another kind.",
    402: "The vendor's credits or plan are exhausted: top up, or lower the use.",
    403: "The key is valid but lacks a scope or belongs to another account or location.",
    404: "Check ids and the base URL of this vendor.",
    422: "The vendor refuses a parameter; the adapter must be mended.",
}


class NeverSent(VendorUnavailable):
    """No connection was made: the vendor certainly did nothing."""


class Scrubber:
    """Takes known secrets and e-mail addresses out of text."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._secrets = tuple(secrets)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            value = secret.get_secret_value()
            for part in (value, value.removeprefix("Bearer ")):
                if part:
                    text = text.replace(part, "***")
        return _ADDRESS.sub("<address>", text)


def error_of(
    vendor: str, operation: Operation, response: httpx.Response, scrub: Scrubber
) -> VendorError:
    """The error that a non-2xx answer means."""
    status = response.status_code
    quoted = excerpt(response.content, scrub)
    shown = f"{vendor} {operation.name}: HTTP {status}" + (f" ({quoted})" if quoted else "")
    if response.is_redirect:
        return VendorRejected(
            f"{vendor} {operation.name}: HTTP {status}, a redirect, which is not followed",
            vendor=vendor,
            operation=operation.name,
            status=status,
            remedy="Check the base URL of this vendor.",
        )
    if status in RETRIED_STATUSES or status >= 500:
        return VendorUnavailable(
            shown,
            vendor=vendor,
            operation=operation.name,
            status=status,
            retry_after_s=retry_after(response, datetime.now(UTC)),
        )
    return VendorRejected(
        shown,
        vendor=vendor,
        operation=operation.name,
        status=status,
        remedy=_REMEDIES.get(status),
    )


def no_answer(vendor: str, operation: Operation, error: httpx.HTTPError) -> VendorUnavailable:
    """The error for a request that got no usable answer."""
    kind = NeverSent if isinstance(error, NEVER_CONNECTED) else VendorUnavailable
    return kind(
        f"{vendor} {operation.name}: no answer ({type(error).__name__})",
        vendor=vendor,
        operation=operation.name,
    )


def excerpt(body: bytes, scrub: Scrubber) -> str:
    """The vendor's own error text, at most `EXCERPT_CHARS` characters; "" when it gives none.

    Only the error fields the vendors document (`message`, `error`, `msg`) are quoted, so that a
    body which echoes the request is never repeated; of a body that is not JSON, nothing is.
    """
    try:
        document = orjson.loads(body[:100_000])
    except orjson.JSONDecodeError:
        return ""
    found = _texts(document)
    text = scrub(_CONTROL.sub(" ", "; ".join(found))).strip()
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"


def _texts(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return []
    for name in ("message", "msg", "error"):
        value = document.get(name)
        if isinstance(value, str) and value:
            return [value]
        if isinstance(value, list):
            return [item for item in value if isinstance(item, str)]
        if isinstance(value, dict):
            return _texts(value)
    return []
