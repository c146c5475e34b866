"""Failure injection: the layer that makes a vendor fail as vendors do. Owns: doing a fault.

It stands just above the key headers and the wire, below everything that must cope: what it does
looks to the layers above as if the vendor or the network had done it. Which attempt gets which
fault is the plan's choice (`fault_plan`). Every attempt that passes is recorded, faulted or not.
Built only when config/production.json enables it; it holds no key and records no request.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NoReturn

import httpx

from guardrails.brakes.chaos import ChaosEvent
from guardrails.clock import Clock, iso, utc_now
from guardrails.correlation import Correlation, current
from servers.common.fault_answers import error_answer, garbage
from servers.common.fault_plan import FaultPlan, HttpFault
from servers.common.http_brakes import INJECTED
from servers.common.http_lock import OPERATION
from servers.common.http_retry import ATTEMPT, Sleep

_KEPT_COUNTS = 20_000
_SLOWEST, _FASTEST = 0.7, 0.3  # shares of the read timeout
# As short as the Retry-After, so that a campaign spends its time on faults and not on waiting.
_QUOTA_HEADERS = {
    "X-RateLimit-Limit-Daily": "200000",
    "X-RateLimit-Daily-Remaining": "199900",
    "X-RateLimit-Interval-Milliseconds": "1000",
    "X-RateLimit-Max": "10",
    "X-RateLimit-Remaining": "0",
}


@dataclass(frozen=True)
class _Pass:
    """One attempt at its site, and what the plan says of it."""

    plan: FaultPlan
    site: str
    identity: str
    occurrence: int
    read_timeout_s: float

    def draw(self, purpose: str) -> float:
        return self.plan.draw(purpose, self.site, self.identity, self.occurrence)


class FaultInjection(httpx.AsyncBaseTransport):
    """Gives each attempt the fault that the plan has for it, or none.

    The occurrence of a request is counted by lead in this process's memory, so that leads do not
    shift each other's faults; after a restart counting begins anew.

    Args:
        read_timeout_s: what a timeout waits when the request states none.
        sleep: how to wait.
        record: takes every pass; must return at once.
        clock, new_id: time and id of what is recorded.

    Raises:
        httpx.ReadTimeout, httpx.ReadError: as the fault has it.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        vendor: str,
        plan: FaultPlan,
        read_timeout_s: float,
        sleep: Sleep,
        record: Callable[[ChaosEvent], None],
        clock: Clock = utc_now,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._inner = inner
        self._vendor = vendor
        self._plan = plan
        self._read_timeout_s = read_timeout_s
        self._sleep = sleep
        self._record = record
        self._clock = clock
        self._new_id = new_id
        self._counts = _Counts(_KEPT_COUNTS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        work = current()
        site = f"{self._vendor}.{request.extensions[OPERATION].name}"
        identity = request_identity(request, work.lead_id)
        occurrence = self._counts.next((work.lead_id, identity))
        visit = self._counts.next((work.lead_id, site))
        fault = self._plan.fault_for(site, identity, occurrence, work.lead_id, visit=visit)
        self._record(self._event(site, fault, request, work))
        request.extensions.pop(INJECTED, None)  # of the attempt before
        if fault is None:
            return await self._inner.handle_async_request(request)
        request.extensions[INJECTED] = fault
        seconds = request.extensions.get("timeout", {}).get("read") or self._read_timeout_s
        here = _Pass(self._plan, site, identity, occurrence, seconds)
        return await self._do(fault, request, here)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _event(
        self, site: str, fault: HttpFault | None, request: httpx.Request, work: Correlation
    ) -> ChaosEvent:
        return ChaosEvent(
            event_id=f"X-{self._new_id()}",
            at=iso(self._clock()),
            site=site,
            fault=fault,
            attempt=request.extensions.get(ATTEMPT, 1),
            lead_id=work.lead_id,
            run_id=work.run_id,
        )

    async def _do(self, fault: HttpFault, request: httpx.Request, here: _Pass) -> httpx.Response:
        match fault:
            case "timeout_before" | "timeout_after" | "reset":
                await self._lose(fault, request, here)
            case "slow":
                # Late is the answer, not the request: one that leaves late could arrive at a door
                # that a breaker has shut meanwhile.
                share = _FASTEST + (_SLOWEST - _FASTEST) * here.draw("slow_share")
                response = await self._inner.handle_async_request(request)
                await self._sleep(share * here.read_timeout_s)
                return response
            case "truncated_json":
                response = await self._inner.handle_async_request(request)
                response.stream = _Torn(response, request)
                return response
            case "malformed_json":
                return garbage(await self._act(request))
            case "created_422":
                await self._act(request)
                return error_answer(self._vendor, 422, "property source should not exist")
            case "http_429":
                quota = {"Retry-After": "1"} if here.draw("429_hint") < 0.5 else _QUOTA_HEADERS
                return error_answer(self._vendor, 429, "Too Many Requests", quota)
            case "http_500":
                return error_answer(self._vendor, 500, "Internal server error")
            case "http_503":
                return error_answer(self._vendor, 503, "Service unavailable")

    async def _lose(self, fault: HttpFault, request: httpx.Request, here: _Pass) -> NoReturn:
        """End without an answer."""
        reset = fault == "reset"
        if fault == "timeout_after" or (reset and here.draw("reset_after") < 0.5):
            await self._act(request)
        if reset:
            raise httpx.ReadError("the connection was reset (injected)", request=request)
        await self._sleep(here.read_timeout_s)
        raise httpx.ReadTimeout("the answer did not come in time (injected)", request=request)

    async def _act(self, request: httpx.Request) -> int:
        """Let the vendor act and throw its answer away; gives the answer's status."""
        response = await self._inner.handle_async_request(request)
        await response.aclose()
        return response.status_code


def request_identity(request: httpx.Request, lead_id: str | None) -> str:
    """Method, path and a digest of query and body. The request must have been read.

    The lead's own id counts as one word wherever it stands: it is another one in every hive, and
    the same campaign over a fresh hive must meet the same faults.
    """
    path, _, query = request.url.raw_path.partition(b"?")
    own = lead_id.encode() if lead_id else b"LEAD"
    asked = b"\x1f".join((query, request.content)).replace(own, b"LEAD")
    digest = hashlib.blake2b(asked, digest_size=8).hexdigest()
    return f"{request.method} {path.replace(own, b'LEAD').decode('ascii', 'replace')} {digest}"


class _Counts:
    """Counts by key; forgets what was counted longest ago when there are too many."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._counts: OrderedDict[tuple[str | None, str], int] = OrderedDict()

    def next(self, key: tuple[str | None, str]) -> int:
        """How often this key has been counted, this time included."""
        count = self._counts[key] = self._counts.pop(key, 0) + 1
        if len(self._counts) > self._kept:
            self._counts.popitem(last=False)
        return count


class _Torn(httpx.AsyncByteStream):
    """The first half of an answer, and then what a broken connection raises."""

    def __init__(self, response: httpx.Response, request: httpx.Request) -> None:
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("a transport must answer with an asynchronous stream")
        self._stream = response.stream
        self._request = request
        stated = response.headers.get("content-length", "")
        self._stated = int(stated) if stated.isascii() and stated.isdigit() else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            # Without a stated length (chunked), half of the first piece is what arrives.
            left = (len(chunk) if self._stated is None else self._stated) // 2 - received
            piece = chunk[: max(0, left)]
            received += len(piece)
            if piece:
                yield piece
            if self._stated is None or len(piece) < len(chunk):
                break
        how = (
            "incomplete chunked read"
            if self._stated is None
            else f"received {received} bytes, expected {self._stated}"
        )
        raise httpx.RemoteProtocolError(
            f"peer closed connection without sending complete message body ({how})",
            request=self._request,
        )

    async def aclose(self) -> None:
        await self._stream.aclose()
