"""What a page in a browser needs to speak to a server of another origin. Owns: those headers.

Only for an origin that the door knows. A page needs a token like everybody else, and puts it into a
header itself: no cookie is ever looked at, so that nobody's browser speaks for them unasked.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

_DAY_S = "86400"


def asks_first(method: str, headers: Headers) -> bool:
    """Whether a browser asks if its page may send what it wants to."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def may_send(headers: Headers) -> Response:
    """Yes, with the headers it names: the protocol has many, and they allow nothing."""
    allowed = {
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": headers.get("access-control-request-headers", ""),
        "access-control-max-age": _DAY_S,
    }
    return Response(status_code=204, headers=allowed)


def readable(send: Send, origin: str) -> Send:
    """Have the page of that origin read the answer."""

    async def with_origin(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = origin
            headers["access-control-expose-headers"] = "www-authenticate"
            headers.add_vary_header("origin")
        await send(message)

    return with_origin
