"""The door of MCP over HTTP. Owns: who gets to the protocol at all, and how many at a time.

In this order, each before anything is read of the body: the path, Host and Origin (a page in
somebody's browser must not reach a server on their machine), the method, the token, and room. Then
the body, bounded in size and time. Who holds the token goes with the request (`GRANT`); what that
allows is decided tool by tool (`toolserver`). No token, path or body is ever logged. Refuses
everybody while the tokens cannot be read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guardrails.errors import SwarmError
from guardrails.mcp_token_model import Token
from servers.common.grants import GRANT
from servers.common.serve_http_pages import asks_first, may_send, readable

log = structlog.get_logger(__name__)
PATH = "/mcp"
BODY_BYTES = 4 * 1024 * 1024
_CHALLENGE = 'Bearer realm="chiefaiofficer-swarm"'
Holder = Callable[[str], Token | None]


@dataclass(frozen=True)
class Limits:
    """How much of this process requests may hold.

    Args:
        together: requests under way, of everybody.
        of_one: requests under way of one token, so that one client leaves room for the others.
        body_s: seconds for a body to arrive.
    """

    together: int = 64
    of_one: int = 24
    body_s: float = 10.0


@dataclass(frozen=True)
class Names:
    """Under which names the server may be spoken to: `host:port`, or `host:*` for any port."""

    hosts: tuple[str, ...]
    origins: tuple[str, ...]

    @classmethod
    def of(cls, hosts: tuple[str, ...], origins: tuple[str, ...] = ()) -> Names:
        """Loopback, these hosts and origins, and no others."""
        here = ("127.0.0.1", "localhost", "[::1]")
        local = [f"{name}{port}" for name in here for port in ("", ":*")]
        pages = [f"http://{name}" for name in local]
        known = [tuple(one.lower().rstrip("/") for one in given) for given in (hosts, origins)]
        return cls((*local, *known[0]), (*pages, *known[1]))

    def host_is_known(self, stated: str | None) -> bool:
        """Whether a Host header names us."""
        return stated is not None and _among(stated.lower(), self.hosts)

    def origin_is_known(self, stated: str | None) -> bool:
        """Whether a page from there may speak to us. No browser, no Origin."""
        return stated is None or _among(stated.lower(), self.origins)


class Door:
    """The ASGI app around the protocol's.

    Args:
        inner: takes one request that was let in.
        holder: whose token a text is. Raises SwarmError when nobody can say.
    """

    def __init__(
        self, inner: ASGIApp, name: str, holder: Holder, names: Names, limits: Limits | None = None
    ) -> None:
        self._inner = inner
        self._name = name
        self._holder = holder
        self._names = names
        self._limits = limits or Limits()
        self._under_way: Counter[str] = Counter()
        self._problem: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and self._names.origin_is_known(origin):
            send = readable(send, origin)
        refused = self._refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        token = self._let_in(headers)
        if isinstance(token, Response):
            await token(scope, receive, send)
            return
        with self._room(token) as full:
            if full is not None:
                await full(scope, receive, send)
                return
            body = await self._body(Request(scope, receive), headers)
            if isinstance(body, Response):
                await body(scope, receive, send)
                return
            scope[GRANT] = token.scope
            scope["headers"] = [(name, text.strip(b" \t")) for name, text in scope["headers"]]
            await self._inner(scope, _replayed(body, receive), send)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to what never gets further, whoever asks."""
        if scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            return _answer(200, {"server": self._name, "status": "ok"})
        if scope["path"] != PATH:
            return _said(404, f"Not here: the protocol is at {PATH}.")
        if not self._names.host_is_known(headers.get("host")):
            return _said(421, "This server is not known under that name (--allow-host).")
        if not self._names.origin_is_known(headers.get("origin")):
            return _said(403, "No page from that origin may speak to it (--allow-origin).")
        if asks_first(scope["method"], headers):
            return may_send(headers)
        if scope["method"] != "POST":
            return _said(405, "POST alone: no sessions, no streams of events.", {"allow": "POST"})
        return None

    def _let_in(self, headers: Headers) -> Token | Response:
        kind, _, presented = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not presented.strip():
            challenge = {"www-authenticate": _CHALLENGE}
            return _said(401, "A bearer token is needed: `swarm mcp token create`.", challenge)
        try:
            token = self._holder(presented.strip())
        except SwarmError as error:
            if self._problem != error.message:  # once, however many knock
                log.error("tokens_unreadable", why=error.message, remedy=error.remedy)
            self._problem = error.message
            return _said(503, "Nobody is let in now: the tokens cannot be read.")
        self._problem = None
        if token is None:
            challenge = {"www-authenticate": f'{_CHALLENGE}, error="invalid_token"'}
            return _said(401, "That token is unknown, revoked, or its days are over.", challenge)
        return token

    @contextmanager
    def _room(self, token: Token) -> Iterator[Response | None]:
        """Room for one more request, or the answer that there is none."""
        if self._under_way.total() >= self._limits.together:
            yield _said(503, "Too many requests at once.", {"retry-after": "1"})
        elif self._under_way[token.id] >= self._limits.of_one:
            yield _said(429, "Too many requests of this token at once.", {"retry-after": "1"})
        else:
            self._under_way[token.id] += 1
            try:
                yield None
            finally:
                self._under_way[token.id] -= 1
                if not self._under_way[token.id]:
                    del self._under_way[token.id]

    async def _body(self, request: Request, headers: Headers) -> bytes | Response:
        stated = headers.get("content-length", "0")
        if stated.isascii() and stated.isdigit() and int(stated) > BODY_BYTES:
            return _said(413, f"At most {BODY_BYTES} bytes.")
        kept = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for part in request.stream():
                    kept += part
                    if len(kept) > BODY_BYTES:
                        return _said(413, f"At most {BODY_BYTES} bytes.")
        except TimeoutError:
            return _said(408, f"The body did not come within {self._limits.body_s:g} s.")
        except ClientDisconnect:
            return _said(400, "The body was cut off.")
        return bytes(kept)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the protocol's app receives: the body, then whatever comes: that the client left."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _among(stated: str, known: tuple[str, ...]) -> bool:
    if stated in known:
        return True
    name, _, port = stated.rpartition(":")
    return port.isascii() and port.isdigit() and f"{name}:*" in known


def _said(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in the protocol's form: an error that belongs to no request."""
    error = {"code": -32000, "message": message}
    return _answer(status, {"jsonrpc": "2.0", "id": None, "error": error}, headers)


def _answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, dict(headers or {}), "application/json")
