"""The one place that asks a vendor again. Owns: which outcomes are worth another attempt.

Reads, and writes that are done once however often they are done: no answer, 408, 425, 429, 5xx,
and a body that should be JSON and is not. Paid reads and all other writes: only when the vendor
certainly did nothing, that is when no connection was made or it said 429; a run asked for twice
is paid twice, and an e-mail is read twice. All within `attempts` and one deadline over
everything, waits included. Refuses to wait longer than that deadline, and to ask again when the
brakes below refuse the retry (budget, breaker, rate): the last answer is then handed on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, stop_before_delay

from guardrails.brakes.desk import RetryBudgetSpent
from guardrails.errors import BreakerOpen, RateLimited
from servers.common.http_lock import OPERATION
from servers.common.http_wire import MALFORMED
from servers.common.operations import Effect, Operation

Sleep = Callable[[float], Awaitable[None]]
ATTEMPT = "swarm.attempt"  # int, from 1
DEADLINE = "swarm.deadline"  # the loop's time at which the caller has given up
_HELD_BACK = (RetryBudgetSpent, BreakerOpen, RateLimited)
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0
_LONGEST_ASKED_S = 86_400.0


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
        operation: Operation = request.extensions[OPERATION]
        request.extensions[DEADLINE] = asyncio.get_running_loop().time() + self._total_s
        call = _Attempts(self._inner, request)
        attempts = AsyncRetrying(
            stop=stop_after_attempt(self._attempts) | stop_before_delay(self._total_s),
            wait=self._wait,
            retry=lambda state: not call.held_back and _again(operation, state),
            sleep=self._sleep,
            retry_error_callback=_last,
        )
        try:
            async with asyncio.timeout(self._total_s):
                return await attempts(call)
        except TimeoutError as error:
            raise httpx.ReadTimeout(
                f"no answer within {self._total_s:g} s over all attempts", request=request
            ) from error

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _wait(self, state: RetryCallState) -> float:
        backoff = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1))
        jittered = backoff * self._rng.uniform(0.5, 1.5)
        outcome = state.outcome
        if outcome is None or outcome.failed:
            return jittered
        asked = retry_after(outcome.result(), datetime.now(UTC))
        return jittered if asked is None else asked + self._rng.uniform(0, _FIRST_WAIT_S)


class _Attempts:
    """One request's attempts; a retry that is held back has the outcome of the one before."""

    def __init__(self, inner: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        self._inner = inner
        self._request = request
        self._count = 0
        self._last: httpx.Response | Exception | None = None
        self.held_back = False

    async def __call__(self) -> httpx.Response:
        self._count += 1
        self._request.extensions[ATTEMPT] = self._count
        try:
            self._last = await self._inner.handle_async_request(self._request)
        except _HELD_BACK:
            if self._last is None:
                raise
            self.held_back = True
        except httpx.TransportError as error:
            self._last = error
        if isinstance(self._last, Exception):
            raise self._last
        return self._last


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds the vendor asks us to wait, a day at most; None when it does not say.

    `Retry-After` is a number of seconds or an HTTP date, in any of its three forms (RFC 9110).
    """
    stated = response.headers.get("retry-after", "").strip()
    if stated.isascii() and stated.isdigit():
        return min(float(stated), _LONGEST_ASKED_S)
    try:
        until = parsedate_to_datetime(stated)
        if until.tzinfo is None:  # the oldest form names no zone, and means GMT
            until = until.replace(tzinfo=UTC)
        return min(max(0.0, (until - now).total_seconds()), _LONGEST_ASKED_S)
    except (TypeError, ValueError, OverflowError):
        return None


def _again(operation: Operation, state: RetryCallState) -> bool:
    if state.outcome is None:
        return False
    error = state.outcome.exception()
    twice_is_once = operation.effect is Effect.READ or (
        operation.effect is Effect.WRITE and operation.idempotent
    )
    if error is not None:
        return isinstance(error, httpx.TransportError if twice_is_once else NEVER_CONNECTED)
    response: httpx.Response = state.outcome.result()
    if not twice_is_once:
        return response.status_code == 429
    return response.status_code in RETRIED_STATUSES or MALFORMED in response.extensions


def _last(state: RetryCallState) -> httpx.Response:
    assert state.outcome is not None  # tenacity calls this after an attempt
    response: httpx.Response = state.outcome.result()
    return response
