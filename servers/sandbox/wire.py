"""The form of every twin: an ASGI app that answers as the vendor would. Owns: one request's path
from the socket through outage, guard and handler to the counted answer, switches included.

Plain ASGI and orjson instead of a framework's request and middleware objects, because the twins
stand on the benchmark's path. A twin can be mounted anywhere (`root_path` is honoured). An
unforeseen error inside a twin is a bug here and must not look like a vendor's answer: it is left
to the server, which closes the request with a bare 500.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from servers.sandbox.arrivals import Arrivals
from servers.sandbox.asgi import JSON, Receive, Reply, Scope, Send, read_body, send_reply
from servers.sandbox.behaviour import Behaviour, Denial, TwinName
from servers.sandbox.counters import Counters, Kind
from servers.sandbox.dice import fingerprint, invented_uuid
from servers.sandbox.drift import drifted
from servers.sandbox.world import World


class Refused(Exception):
    """Ends a handler with an answer of the vendor's own form."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer.status)
        self.reply = answer


@dataclass(slots=True)
class Call:
    """One request, below the vendor's base URL."""

    method: str
    path: str
    raw_query: bytes
    raw_headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)
    _query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last counts."""
        if self._query is None:
            self._query = dict(parse_qsl(self.raw_query.decode(), keep_blank_values=True))
        return self._query

    def repeated(self, name: str) -> list[str]:
        """All values of one query parameter."""
        return [v for k, v in parse_qsl(self.raw_query.decode()) if k == name]

    def header(self, name: bytes) -> str | None:
        """A request header by lower-case name."""
        for key, value in self.raw_headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is none."""
        return orjson.loads(self.body) if self.body else {}


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the vendor, and what it does there."""

    method: str
    path: str  # template: {name} stands for one segment
    kind: Kind
    handler: Handler
    version: str | None = None  # GHL: the Version header it requires


@dataclass(slots=True)
class Site:
    """What all twins of one sandbox share."""

    world: World
    clock: Callable[[], datetime]
    behaviour: Behaviour = field(default_factory=Behaviour)
    counters: Counters = field(default_factory=Counters)
    arrivals: Arrivals = field(default_factory=Arrivals)


class Twin(ABC):
    """A vendor's stand-in. Subclasses name the endpoints, the guard and the error form."""

    vendor: TwinName
    denials: Mapping[Denial, tuple[int, str]] = {}  # status and text, in the vendor's words

    def __init__(self, site: Site) -> None:
        self.site = site
        self._routes: dict[tuple[str, int], list[tuple[list[str | None], Endpoint]]] = {}
        self.reset()
        for endpoint in self.endpoints():
            parts = _segments(endpoint.path)
            shape = [None if part.startswith("{") else part for part in parts]
            self._routes.setdefault((endpoint.method, len(parts)), []).append((shape, endpoint))
        for routes in self._routes.values():  # fixed words win over placeholders
            routes.sort(key=lambda route: sum(part is None for part in route[0]))

    @abstractmethod
    def endpoints(self) -> Sequence[Endpoint]:
        """All operations that this twin knows."""

    def guard(self, call: Call, endpoint: Endpoint) -> None:  # noqa: B027 - a hook
        """Refuse what the vendor refuses before looking at the request (key, version, quota)."""

    @abstractmethod
    def failure(self, call: Call, status: int, message: str) -> Reply:
        """An error in the vendor's envelope."""

    def decorate(self, call: Call, answer: Reply) -> None:  # noqa: B027 - a hook
        """Add the headers which the vendor sends with every answer."""

    def reset(self) -> None:  # noqa: B027 - a hook
        """Forget what was written; back to the world as seeded."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the {self.vendor} twin speaks HTTP only")
        path = scope["path"]
        root = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        call = Call(
            scope["method"], path, scope["query_string"], scope["headers"], await read_body(receive)
        )
        arrived = self.now()
        answer, endpoint = self.answer(call)
        template, kind = (
            (endpoint.path, endpoint.kind)
            if endpoint
            else ("(unknown)", "read" if call.method in ("GET", "HEAD") else "write")
        )
        self.site.counters.add(self.vendor, call.method, template, kind, answer.status, path)
        self.site.arrivals.add(arrived, self.vendor, call.method, template, answer.status)
        behaviour = self.site.behaviour
        if behaviour.latency_ms or behaviour.vendor_latency_ms:
            await asyncio.sleep(behaviour.latency_s(self.vendor))
        await send_reply(answer, send)

    def answer(self, call: Call) -> tuple[Reply, Endpoint | None]:
        """The answer to a request and the endpoint that gave it."""
        endpoint = self._match(call)
        behaviour = self.site.behaviour
        down = behaviour.down(self.vendor)
        if down is not None:
            return self.failure(call, down, "Service unavailable"), endpoint
        try:
            if endpoint is None:
                answer = self.failure(call, 404, f"Cannot {call.method} {call.path}")
            else:
                if behaviour.auth:
                    self._deny(call)
                self.guard(call, endpoint)
                answer = endpoint.handler(call)
                acts = endpoint.kind in ("write", "tell", "remember")
                if acts and behaviour.fails_after_acting(self.vendor):
                    answer = self.failure(call, 502, "Bad gateway")
        except Refused as refused:
            answer = refused.reply
        if behaviour.renames or behaviour.retypes:
            self._drift(answer)
        self.decorate(call, answer)
        return answer, endpoint

    def _deny(self, call: Call) -> None:
        if denial := self.site.behaviour.auth.get(self.vendor):
            raise Refused(self.failure(call, *self.denials[denial]))

    def _drift(self, answer: Reply) -> None:
        renames = self.site.behaviour.renames.get(self.vendor, {})
        retypes = self.site.behaviour.retypes.get(self.vendor, {})
        if (renames or retypes) and answer.status < 300 and answer.content_type == JSON:
            answer.body = drifted(answer.body, renames, retypes)

    def _match(self, call: Call) -> Endpoint | None:
        parts = _segments(call.path)
        for shape, endpoint in self._routes.get((call.method, len(parts)), ()):
            if all(want is None or want == part for want, part in zip(shape, parts, strict=True)):
                names = _segments(endpoint.path)
                call.params = {
                    name[1:-1]: unquote(part)
                    for name, want, part in zip(names, shape, parts, strict=True)
                    if want is None
                }
                return endpoint
        return None

    def trace(self, call: Call) -> str:
        """A request id that depends on the request alone, so that equal runs give equal bytes."""
        return invented_uuid(
            self.site.world.seed, call.method, call.path, call.raw_query.hex(), call.body.hex()
        )

    def invent(self, *parts: object) -> str:
        """A 20-character id as GHL forms them, derived from the seed and the parts."""
        return fingerprint(self.site.world.seed, self.vendor, *parts)[:20]

    def now(self) -> float:
        """The sandbox's clock in seconds."""
        return self.site.clock().timestamp()


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")
