"""The layer that asks before every attempt. Owns: asking the brakes, waiting, telling the end.

Stop, breaker, retry budget, rate and money are answered in one round trip (`Gatekeeper.admit`).
A grant that has to be waited for, or is older than `GRANT_S` because this process was busy, is
asked about again before the request leaves: what was allowed then may be forbidden now, and a slot
that was overslept is lost. Refuses, by the brakes' own errors, before a byte leaves.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

import httpx

from guardrails.brakes.brakes import Gatekeeper
from guardrails.brakes.breaker import Outcome
from guardrails.brakes.desk import CallEnd, Request
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.rate import GRANT_S
from guardrails.brakes.spend import Reservation
from guardrails.brakes.vendor_state import Asked, Ended, Granted
from guardrails.config.models import VendorLimits
from guardrails.errors import RateLimited, VendorSchemaDrift
from servers.common.http_errors import Scrubber
from servers.common.http_failures import Noted, breaker_outcome, noted
from servers.common.http_lock import OPERATION
from servers.common.http_retry import ATTEMPT, DEADLINE, Sleep, retry_after
from servers.common.operations import Operation

RESERVATION = "swarm.reservation"
INJECTED = "swarm.injected"
LEFT = "swarm.left"  # bool: whether the attempt under way has been let through
_LEAVES_TIME = 0.8  # share of the time left that may be spent on waiting for a slot
_MOST_QUESTIONS = 4
_UNKNOWN_WINDOW_S = 1.0
_LONGEST_WINDOW_S = 300.0
_DAY_USED_UP_S = 900.0  # the vendor does not say when its day ends


class BrakeLayer(httpx.AsyncBaseTransport):
    """Lets an attempt through when the brakes do.

    Raises:
        Stopped, BreakerOpen, RateLimited, RetryBudgetSpent, SpendCapped: nothing was sent.
        StoreUnavailable: nobody could tell, so nothing was sent.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        vendor: str,
        limits: VendorLimits | None,
        brakes: Gatekeeper,
        failures: FailureTracker,
        scrub: Scrubber,
        sleep: Sleep,
    ) -> None:
        self._inner = inner
        self._vendor = vendor
        self._limits = limits
        self._brakes = brakes
        self._failures = failures
        self._scrub = scrub
        self._sleep = sleep

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        operation: Operation = request.extensions[OPERATION]
        token = secrets.token_hex(8)
        request.extensions[LEFT] = False
        granted = await self._pass(request, operation, token)
        request.extensions[LEFT] = True
        probe = token if granted.is_probe else None
        try:
            response = await self._inner.handle_async_request(request)
        except asyncio.CancelledError:
            # Given up by the deadline over all attempts, or by whoever asked.
            late = asyncio.get_running_loop().time() >= request.extensions[DEADLINE] - 0.01
            outcome: Outcome = "failure" if late or probe else "neutral"
            note = Noted("timeout", None, "given up at the deadline") if late else None
            self._tell(request, operation, outcome, probe, note)
            raise
        except (httpx.TransportError, VendorSchemaDrift) as error:
            outcome = breaker_outcome(error)
            self._tell(request, operation, outcome, probe, noted(operation, error, self._scrub))
            raise
        note = noted(operation, response, self._scrub)
        pause = self._pause(response)
        self._tell(request, operation, breaker_outcome(response), probe, note, pause)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _pass(self, request: httpx.Request, operation: Operation, token: str) -> Granted:
        """Wait until the request may leave."""
        loop = asyncio.get_running_loop()
        deadline: float = request.extensions[DEADLINE]
        attempt: int = request.extensions[ATTEMPT]
        paid: Reservation | None = request.extensions.get(RESERVATION) if attempt == 1 else None
        holds_slot = was_probe = False
        for question in range(_MOST_QUESTIONS):
            begun = loop.time()
            asked = Asked(
                operation.effect.value,
                attempt,
                token,
                max(0.0, deadline - begun) * _LEAVES_TIME,
                holds_slot,
                again=question > 0,
            )
            granted = await self._brakes.admit(Request(self._vendor, operation.name, asked, paid))
            was_probe = was_probe or granted.is_probe
            last = question + 1 == _MOST_QUESTIONS
            if granted.wait_s <= 0 and (last or loop.time() - begun <= GRANT_S):
                return Granted(0.0, was_probe)
            if last:
                break
            due = loop.time() + granted.wait_s
            if granted.wait_s > 0:
                await self._sleep(granted.wait_s)
            holds_slot = loop.time() - due <= GRANT_S
        raise RateLimited(
            f"{self._vendor} {operation.name}: one silence followed the other; nothing was sent",
            vendor=self._vendor,
            operation=operation.name,
            retry_after_s=granted.wait_s,
        )

    def _pause(self, response: httpx.Response) -> float | None:
        """How long the vendor wants silence, if it does: for all processes."""
        if response.status_code == 429:
            asked = retry_after(response, datetime.now(UTC))
            return self._window(response) if asked is None else asked
        if self._limits is None:
            return None
        if response.headers.get("x-ratelimit-daily-remaining", "").strip() == "0":
            return _DAY_USED_UP_S
        if response.headers.get("x-ratelimit-remaining", "").strip() == "0":
            # Somebody else uses the quota as well: one slot's time, since the vendor's window
            # slides and a long pause would waste it.
            return self._limits.per_seconds / self._limits.requests
        return None

    def _window(self, response: httpx.Response) -> float:
        """Seconds of the vendor's window, as it says itself or as we know it."""
        stated = response.headers.get("x-ratelimit-interval-milliseconds", "").strip()
        if stated.isascii() and stated.isdigit():
            return min(float(stated) / 1000, _LONGEST_WINDOW_S)
        return self._limits.per_seconds if self._limits else _UNKNOWN_WINDOW_S

    def _tell(
        self,
        request: httpx.Request,
        operation: Operation,
        outcome: Outcome,
        probe: str | None,
        note: Noted | None,
        pause_s: float | None = None,
    ) -> None:
        failure = None
        if note is not None:
            failure = self._failures.row(
                note.kind,
                operation.name,
                note.detail,
                vendor=self._vendor,
                status=note.status,
                attempt=request.extensions[ATTEMPT],
                injected=request.extensions.pop(INJECTED, None),
            )
        why = f"{operation.name}: {note.detail}" if note else ""
        ended = Ended(operation.effect.value, outcome, probe, why, pause_s)
        self._brakes.tell(CallEnd(self._vendor, ended, failure=failure))
