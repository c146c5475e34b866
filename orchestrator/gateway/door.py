"""What every route has in common. Owns: counting, refusing, and what an unforeseen error answers.

A refusal says nothing of why, is logged with its address a few times a minute, and from then on
until the minute is over becomes 429. That limit is for refusals alone: what is authentic enters,
whoever it is sent by and however much was refused before. No path, body or secret is ever logged.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from orchestrator.gateway.metrics import Metrics

log = structlog.get_logger(__name__)
Handler = Callable[[Request], Awaitable[Response]]
_ADDRESSES = 10_000  # that are remembered
_LOGGED = 5  # refusals of one address in a minute
_ALL_LOGGED = 100  # and of all addresses together
_WORDS = {
    200: "OK",
    400: "Not whole",
    401: "Not signed",
    404: "Not found",
    408: "Too slow",
    413: "Too large",
    429: "Too many",
    503: "Later",
}
_LOOPBACK = ("127.0.0.1", "::1")


class Refusals:
    """Says no.

    Args:
        per_minute: refusals of one address that get their own answer; then 429.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._minute = -1
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._logged = 0

    def refuse(self, request: Request, status: int, route: str, why: str) -> Response:
        """The answer to somebody who may not. `why` is for the log, never for the sender."""
        address = sender(request)
        count = self._count(address)
        if count <= _LOGGED and self._logged < _ALL_LOGGED:
            self._logged += 1
            # Visitors of unsubscribe links are people; their addresses are nobody's business.
            shown = None if route == "unsubscribe" else address
            log.warning("refused", route=route, status=status, why=why, address=shown)
        if count > self._per_minute:
            return plain(429, {"retry-after": "60"})
        return plain(status)

    def _count(self, address: str) -> int:
        minute = int(self._monotonic() // 60)
        if minute != self._minute:
            self._minute, self._logged = minute, 0
            self._seen.clear()
        self._seen[address] = self._seen.pop(address, 0) + 1
        if len(self._seen) > _ADDRESSES:
            self._seen.popitem(last=False)
        return self._seen[address]


class Door:
    """One route as an ASGI app: every method gets to `handler`, every answer is counted."""

    def __init__(self, route: str, handler: Handler, metrics: Metrics) -> None:
        self._route = route
        self._handler = handler
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        try:
            response = await self._handler(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception:  # the route's edge
            log.exception("request_failed", route=self._route)
            response = Response("Internal error\n", 500, media_type="text/plain")
        self._metrics.answered(self._route, response.status_code, time.perf_counter() - started)
        await response(scope, receive, send)


def sender(request: Request) -> str:
    """Who sent it, by the nearest proxy's word when that stands on this machine. Grants nothing."""
    peer = request.client.host if request.client else "unknown"
    if peer not in _LOOPBACK:
        return peer
    stated = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(stated))
    except ValueError:
        return peer


def plain(status: int, headers: dict[str, str] | None = None) -> Response:
    """A short answer in words."""
    return PlainTextResponse(f"{_WORDS[status]}\n", status, headers)
