"""What a vendor's own door says when it fails. Owns: the error envelopes that chaos answers with.

The forms are the vendors' documented ones and those of the twins; a test holds the two together.
The texts are what gateways say; nothing of the request is repeated in them.
"""

from __future__ import annotations

import uuid
from html import escape
from typing import Any

import httpx
import orjson

_NAMES = {
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_SLUGS = {
    422: "invalid_request",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "service_unavailable",
}
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"
GARBAGE = b'{"contacts": [{"id": "\xff\xfe\x00", "email": }, <!doctype html>'


def error_answer(
    vendor: str, status: int, message: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    """An error in the vendor's envelope.

    Args:
        status: 422, 429, 500 or 503.
        message: for a person; RB2B says a slug instead.
        headers: more headers, e.g. the quota's.
    """
    kind, body = _body(vendor, status, message)
    return httpx.Response(status, headers={"Content-Type": kind} | (headers or {}), content=body)


def garbage(status: int) -> httpx.Response:
    """A complete answer, correctly framed, that says it is JSON and is none."""
    return httpx.Response(status, headers={"Content-Type": _JSON}, content=GARBAGE)


def _body(vendor: str, status: int, message: str) -> tuple[str, bytes]:
    name = _NAMES[status]
    if vendor == "gdelt":
        return _HTML, message.encode()
    if vendor == "google_news":
        page = f"<html><head><title>{escape(message)}</title></head><body></body></html>"
        return _HTML, page.encode()
    return _JSON, orjson.dumps(_document(vendor, status, name, message))


def _document(vendor: str, status: int, name: str, message: str) -> dict[str, Any]:
    if vendor == "clay":
        return {"message": message}
    if vendor == "rb2b":
        return {"error": _SLUGS[status]}
    if vendor == "instantly":
        return {"statusCode": status, "error": name, "message": message}
    said = [message] if status == 422 else message
    ghl: dict[str, Any] = {"statusCode": status, "message": said}
    if status != 500:  # its framework names every error but the unforeseen one
        ghl["error"] = name
    return ghl | {"traceId": str(uuid.UUID(int=0, version=4))}
