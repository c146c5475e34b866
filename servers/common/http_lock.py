"""The outermost layer of every vendor client: what may not leave, does not (P4).

Owns: the decision whether a request is one of the adapter's declared operations. It looks only at
the request itself, never at what the caller says about it. Refuses, before a byte leaves:

* another scheme, host or port than the vendor's, also when only the `Host` header says so;
* a path that is not exactly a declared operation's path below the base URL, letter for letter;
  encoded characters, dot segments and empty segments have no place in ours;
* anything that makes a server see another method or target than the one we checked;
* every `Effect.WRITE` in shadow, whatever it presents; in the other modes every one that presents
  no permit with the key of its ledger row. Whether the permit holds is the next layer's to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx
import structlog

from guardrails.errors import Refused
from guardrails.model import Mode
from servers.common.operations import Effect, Operation

log = structlog.get_logger(__name__)
OPERATION = "swarm.operation"
PERMIT = "swarm.permit"  # the token, str
WRITE_KEY = "swarm.write_key"  # of the send ledger's row, str
_OURS = frozenset({"timeout", OPERATION, PERMIT, WRITE_KEY})
_READS = frozenset({Effect.READ, Effect.PAID_READ})
_PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~:@+-]+)+/?\Z")
_OVERRIDES = frozenset(
    {
        "x-http-method-override", "x-http-method", "x-method-override", "x-original-url",
        "x-rewrite-url", "x-original-method", "x-forwarded-host", "upgrade", "transfer-encoding",
    }
)  # fmt: skip
_OVERRIDE_PARAMS = frozenset({"_method", "x-http-method-override", "$method"})


class ModeLock(httpx.AsyncBaseTransport):
    """Lets declared reads and permitted-looking writes through, and refuses the rest.

    Raises:
        Refused: names the rule; no request was made.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        vendor: str,
        base: httpx.URL,
        operations: Sequence[Operation],
        mode: Mode,
    ) -> None:
        self._inner = inner
        self._vendor = vendor
        self._origin = (base.raw_scheme, base.raw_host, base.port)
        self._host_header = base.netloc
        self._prefix = base.raw_path.rstrip(b"/").decode("ascii")
        self._operations = tuple(operations)
        self._mode = mode

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        problem, operation = self._judge(request)
        if operation is None:
            log.warning("request_refused", vendor=self._vendor, method=request.method, why=problem)
            raise Refused(
                f"{self._vendor}: {request.method} request refused before sending: {problem}",
                remedy="Declared reads may leave, and writes with a permit; nothing was sent.",
            )
        request.extensions[OPERATION] = operation
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _judge(self, request: httpx.Request) -> tuple[str, Operation | None]:
        problem = self._misdirection(request)
        if problem:
            return problem, None
        path = self._path_below_base(request.url)
        if path is None:
            return "the path is not a plain path below the base URL", None
        for operation in self._operations:
            if operation.matches(request.method, path):
                return self._allowed(operation, request)
        return f"no declared operation of the adapter (mode {self._mode})", None

    def _allowed(
        self, operation: Operation, request: httpx.Request
    ) -> tuple[str, Operation | None]:
        if operation.effect in _READS:
            return "", operation
        if self._mode is Mode.SHADOW:
            return f"{operation.name} writes, and shadow mode writes nothing outside", None
        if not all(_stated(request.extensions.get(name)) for name in (PERMIT, WRITE_KEY)):
            return f"{operation.name} writes, and there is no permit for it", None
        return "", operation

    def _misdirection(self, request: httpx.Request) -> str:
        url = request.url
        if (url.raw_scheme, url.raw_host, url.port) != self._origin or url.userinfo:
            return "another host than the vendor's"
        hosts = [value for key, value in request.headers.raw if key.lower() == b"host"]
        if hosts != [self._host_header]:
            return "the Host header names another host"
        if not request.extensions.keys() <= _OURS:
            return "a transport extension that could change the target"
        if any(name in _OVERRIDES for name in request.headers):
            return "a header that could change the method or target"
        if url.query and any(key.lower() in _OVERRIDE_PARAMS for key in url.params):
            return "a parameter that could change the method"
        return ""

    def _path_below_base(self, url: httpx.URL) -> str | None:
        path = url.raw_path.partition(b"?")[0].decode("ascii", "replace")
        if not path.startswith(self._prefix + "/"):
            return None
        below = path[len(self._prefix) :]
        return below if _PLAIN_PATH.match(below) else None


def _stated(value: object) -> bool:
    return isinstance(value, str) and bool(value)
