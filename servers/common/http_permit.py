"""The layer that asks for the permit of every write (P1), and keeps the ledger of it (P3).

It stands directly below the mode lock. Owns: reading from a write's own bytes what it would do,
spending the permit for exactly that together with the ledger's `dispatching`, and telling the
ledger what became of it. A write once begun is carried to its end even if its caller gives up, so
that its fate is on record. Refuses, before a byte leaves:

* a write without permit or key, or whose permit is for anything else than what its bytes say;
* a body that could be read in two ways (it must be JSON exactly as we write it), a query, a form;
* an attempt that would leave when the swarm has been stopped, whoever it is to has opted out, or
  the seconds of its permit are over, also in a process that was stopped and woken between spending
  and leaving. This is asked once more when the connection is there and the first byte is due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import orjson
import structlog

from guardrails.errors import Refused, SwarmError
from guardrails.ledger import Ledger
from guardrails.model import Mode, WriteAction, WriteIntent
from guardrails.permits import Bound, Permit, PermitCheck
from guardrails.store import Store
from servers.common.http_fate import SIGHTINGS, Ending, Sightings
from servers.common.http_lock import OPERATION, PERMIT, WRITE_KEY
from servers.common.operations import Effect, Operation

log = structlog.get_logger(__name__)
_CLOSE_S = 5.0
_REMEDY = "Ask guardrails for a permit (authorize_send, authorize_write); nothing was sent."


@dataclass(frozen=True)
class WriteDesk:
    """What every write of a process is held against."""

    check: PermitCheck
    ledger: Ledger
    store: Store
    salt: bytes
    policy_version: str


class PermitLayer(httpx.AsyncBaseTransport):
    """Lets a write through against its permit; everything else passes untouched.

    Args:
        desk: None refuses every write.
        now: seconds that go on while this process is stopped.

    Raises:
        Refused, Stopped, StoreUnavailable: no permit for it; nothing was sent.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        vendor: str,
        base: httpx.URL,
        mode: Mode,
        desk: WriteDesk | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._vendor = vendor
        self._base = base
        self._mode = mode
        self._desk = desk
        self._now = now
        self._begun: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        operation: Operation = request.extensions[OPERATION]
        token = request.extensions.pop(PERMIT, None)
        key = request.extensions.pop(WRITE_KEY, None)
        if operation.effect is not Effect.WRITE:
            return await self._inner.handle_async_request(request)
        if self._desk is None or not isinstance(token, str) or not isinstance(key, str):
            raise Refused(f"{self._vendor} {operation.name}: no permit", remedy=_REMEDY)
        await request.aread()
        intent = intent_of(self._vendor, self._base, operation, request)
        task = asyncio.create_task(
            self._write(self._desk, operation, request, intent, token, key), name=f"write {key}"
        )
        self._begun.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        if self._begun:
            _, late = await asyncio.wait(self._begun, timeout=_CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._inner.aclose()

    async def _write(
        self,
        desk: WriteDesk,
        operation: Operation,
        request: httpx.Request,
        intent: WriteIntent,
        token: str,
        key: str,
    ) -> httpx.Response:
        bound = Bound.to(intent, key, self._mode, desk.policy_version, desk.salt)
        to, begun = recipient_of(intent), self._now()
        permit = await desk.check.verify_and_spend(
            token, bound, also=lambda conn, permit: desk.ledger.dispatch(conn, key, permit)
        )

        def may_go_on() -> None:
            desk.check.require_still_good_here(permit)
            if self._now() - begun >= permit.exp - permit.iat:
                raise Refused("the permit has expired: this process stood still")

        async def may_leave() -> None:
            await desk.check.require_still_good(permit, to)
            may_go_on()  # at once: the answer above has taken its time

        seen = request.extensions[SIGHTINGS] = Sightings(operation, may_leave, may_go_on)
        try:
            return await self._inner.handle_async_request(request)
        finally:
            await _recorded(desk, key, permit, seen.ending())

    def _ended(self, task: asyncio.Task[httpx.Response]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # whoever gave up does not ask for it


def intent_of(
    vendor: str, base: httpx.URL, operation: Operation, request: httpx.Request
) -> WriteIntent:
    """What a write would do, read from itself; its body must have been read.

    From here on exactly the bytes that were judged are what is sent.

    Raises:
        Refused: it does not say so clearly, or it is a write of another kind than `operation`.
    """
    try:
        path, _, query = request.url.raw_path.decode("ascii", "replace").partition("?")
        if query or operation.intent is None:
            raise _Unclear("a query, or no binder")
        below = path.removeprefix(base.raw_path.rstrip(b"/").decode("ascii"))
        intent = operation.intent(operation.values(below), _body(request))
        if intent.vendor != vendor or intent.action not in operation.actions:
            raise _Unclear("another action than declared")
    except Exception as error:
        why = error.args[0] if isinstance(error, _Unclear) else type(error).__name__
        raise Refused(
            f"{vendor} {operation.name}: the request does not say clearly what it does: {why}",
            remedy="Mend the adapter; nothing was sent.",
        ) from error
    return intent


def recipient_of(intent: WriteIntent) -> str | None:
    """The address that an e-mail goes to; whom an answer goes to, only the vendor's thread says."""
    to_a_person = intent.action.is_email and intent.action is not WriteAction.REPLY_EMAIL
    return intent.recipient if to_a_person else None


class _Unclear(ValueError):
    """A request that could be read in two ways."""


def _body(request: httpx.Request) -> Any:
    """The JSON body, None without one. Raises _Unclear when a vendor might read it otherwise."""
    content = request.content
    request.stream = httpx.ByteStream(content)
    if request.headers.get("content-length", "0") != str(len(content)):
        raise _Unclear("another length than stated")
    if "content-encoding" in request.headers:
        raise _Unclear("an encoded body")
    if not content:
        return None
    if request.headers.get("content-type") != "application/json":
        raise _Unclear("a body that is not JSON")
    body = orjson.loads(content)
    if orjson.dumps(body) != content:
        raise _Unclear("JSON in another form than ours")
    return body


async def _recorded(desk: WriteDesk, key: str, permit: Permit, ending: Ending) -> None:
    """Tell the ledger. What cannot be told stays `dispatching`, which it takes as unknown."""
    call = partial(
        desk.ledger.end,
        key=key,
        status=ending.fate,
        vendor_ref=ending.vendor_ref,
        result=ending.result,
        note=ending.note,
        permit_id=permit.jti,
    )
    try:
        await asyncio.shield(desk.store.run(call))
    except SwarmError as error:
        log.error("write_end_not_recorded", key=key, fate=ending.fate, code=error.code)
