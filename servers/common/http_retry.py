"""The one place that asks a vendor again. Owns: which outcomes are worth another attempt.

Reads: no answer, 408, 425, 429, 5xx, and a body that should be JSON and is not. Paid reads: only
when the vendor certainly did nothing, that is when no connection was made or it said 429; a run
asked for twice is paid twice. All within `attempts` and one deadline over everything, waits
included. Refuses to wait longer than that deadline: the last answer is then handed on.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import orjson

from servers.common.http_lock import OPERATION
from servers.common.operations import Effect, Operation

Sleep = Callable[[float], Awaitable[None]]
JSON_VALUE = "swarm.json"
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0


class Retry(httpx.AsyncBaseTransport):
    """Bounded attempts with exponential, jittered waits that honour `Retry-After`.

    Raises:
        httpx.TransportError: the last attempt's, or `ReadTimeout` when the deadline passed.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        attempts: int,
        total_s: float,
        sleep: Sleep,
        rng: random.Random,
    ) -> None:
        self._inner = inner
        self._attempts = attempts
        self._total_s = total_s
        self._sleep = sleep
        self._rng = rng

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._total_s):
                return await self._asked(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout(
                f"no answer within {self._total_s:g} s over all attempts", request=request
            ) from error

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        operation: Operation = request.extensions[OPERATION]
        started = asyncio.get_running_loop().time()
        for attempt in itertools.count(1):
            outcome = await self._attempt(request)
            if attempt >= self._attempts or not _again(operation, outcome):
                break
            wait = self._wait(attempt, outcome)
            if asyncio.get_running_loop().time() - started + wait >= self._total_s:
                break
            await self._sleep(wait)
        if isinstance(outcome, httpx.Response):
            return outcome
        raise outcome

    async def _attempt(self, request: httpx.Request) -> httpx.Response | httpx.TransportError:
        try:
            return await self._inner.handle_async_request(request)
        except httpx.TransportError as error:
            return error

    def _wait(self, attempt: int, outcome: httpx.Response | httpx.TransportError) -> float:
        backoff = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (attempt - 1))
        jittered = backoff * self._rng.uniform(0.5, 1.5)
        if not isinstance(outcome, httpx.Response):
            return jittered
        asked = retry_after(outcome, datetime.now(UTC))
        return jittered if asked is None else asked + self._rng.uniform(0, _FIRST_WAIT_S)


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds the vendor asks us to wait (`Retry-After`: seconds or an HTTP date), if it does."""
    stated = response.headers.get("retry-after", "").strip()
    if not stated:
        return None
    if stated.isascii() and stated.isdigit():
        return float(stated)
    try:
        return max(0.0, (parsedate_to_datetime(stated) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _again(operation: Operation, outcome: httpx.Response | httpx.TransportError) -> bool:
    paid = operation.effect is not Effect.READ
    if not isinstance(outcome, httpx.Response):
        return isinstance(outcome, NEVER_CONNECTED) or not paid
    if paid:
        return outcome.status_code == 429
    return outcome.status_code in RETRIED_STATUSES or _broken_json(outcome)


def _broken_json(response: httpx.Response) -> bool:
    """Whether a 2xx that says it is JSON is not; the parsed value is kept for the caller."""
    kind = response.headers.get("content-type", "")
    if not response.is_success or "json" not in kind or not response.content:
        return False
    try:
        response.extensions[JSON_VALUE] = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return True
    return False
