"""What became of a write. Owns: what each attempt of it did, and what all of them come to.

`sent`: the vendor did it. `failed`: it certainly did not, and will not. `pending`: nothing left
this machine, or the vendor said that it was not our turn, or let nobody in. `unknown`: nobody can
tell, and that is what everything counts as that is not certainly one of the others. One attempt
that nobody can tell of makes the whole write unknown, unless a later one did it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import orjson

from guardrails.errors import Refused, Stopped
from servers.common.http_retry import NEVER_CONNECTED
from servers.common.http_wire import JSON_VALUE, MALFORMED
from servers.common.operations import Operation

Fate = Literal["sent", "failed", "unknown", "pending"]
SIGHTINGS = "swarm.sightings"
TRACE = "trace"  # httpcore's own: called, and awaited, before each thing it does
# The vendor looked at the request and did nothing. 422 is none of them: GHL has created a contact
# and said 422. Neither is 408.
_TURNED_AWAY = frozenset({400, 404, 405, 409})
# It did not look, and that says nothing of the write: a key without the scope, a plan that ran out.
# Were it the end of an e-mail, a wrong key would burn everything that waits, one after another.
_NOT_LET_IN = frozenset({401, 402, 403, 429})


@dataclass(frozen=True)
class Ending:
    """What the ledger is told of a write. See `operations.Settled` for the rest."""

    fate: Fate
    vendor_ref: str | None = None
    result: Mapping[str, Any] | None = None
    note: str | None = None


class Sightings:
    """What was seen of one write's attempts, from just above the wire.

    Args:
        may_leave: raises SwarmError when the write may not leave any more. Asked before each
            attempt, and again when it has its connection and its first byte is due.
        may_go_on: the same at once, for what stands between its headers and its body.
    """

    def __init__(
        self,
        operation: Operation,
        may_leave: Callable[[], Awaitable[None]],
        may_go_on: Callable[[], None],
    ) -> None:
        self._operation = operation
        self._may_leave = may_leave
        self._may_go_on = may_go_on
        self._seen: list[Ending] = []
        self._on_the_wire = False

    async def leaving(self) -> None:
        """An attempt leaves: unknown until it is told what became of it. Raises if it may not."""
        await self._may_leave()
        self._on_the_wire = False
        self._seen.append(Ending("unknown", note="no answer"))

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        """What the wire is about to do. The last word on whether it may.

        A connection can take seconds to be had, and a process can be stopped for hours in
        between. What raises here has sent nothing (headers), or an unfinished request (body).
        """
        if event.endswith(".send_request_headers.started"):
            await self._may_leave()
            self._on_the_wire = True
        elif event.endswith(".send_request_body.started"):
            self._may_go_on()

    def did_not_leave(self, why: str) -> None:
        """It did not leave after all, unless its headers had gone."""
        if not self._on_the_wire:
            self._seen[-1] = Ending("pending", note=why)

    def answered(self, response: httpx.Response) -> None:
        """The vendor answered it, and its body is read."""
        self._seen[-1] = _meaning(self._operation, response)

    def ending(self) -> Ending:
        """What the attempts come to."""
        if not self._seen:
            return Ending("pending", note="nothing was sent")
        last = self._seen[-1]
        if last.fate == "sent":
            return last
        return next((one for one in self._seen if one.fate == "unknown"), last)


class Departure(httpx.AsyncBaseTransport):
    """Just above the wire: sees which attempts of a write leave, and what comes back.

    Raises:
        SwarmError: the write may not leave any more.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        seen: Sightings | None = request.extensions.get(SIGHTINGS)
        if seen is None:
            return await self._inner.handle_async_request(request)
        await seen.leaving()
        request.extensions[TRACE] = seen.trace
        try:
            response = await self._inner.handle_async_request(request)
        except NEVER_CONNECTED:
            seen.did_not_leave("no connection was made")
            raise
        except (Stopped, Refused) as error:
            seen.did_not_leave(error.message)
            raise
        seen.answered(response)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _meaning(operation: Operation, response: httpx.Response) -> Ending:
    status = response.status_code
    said = f"HTTP {status}"
    if status in _NOT_LET_IN:
        return Ending("pending", note=said)
    if response.is_success and response.extensions.get(MALFORMED):
        return Ending("unknown", note=f"{said} that is not JSON")  # a refusal may be lost in it
    if operation.settle is not None and status < 500 and status != 408:
        try:
            settled = operation.settle(status, _json(response))
        except Exception:  # noqa: BLE001  outside text in a form that its reader does not know
            return Ending("unknown", note=f"{said} in another form than documented")
        if settled is not None:
            return Ending(settled.status, settled.vendor_ref, settled.result, settled.note or said)
    if response.is_success:
        return Ending("sent", note=said)
    return Ending("failed" if status in _TURNED_AWAY else "unknown", note=said)


def _json(response: httpx.Response) -> Any:
    if JSON_VALUE in response.extensions:
        return response.extensions[JSON_VALUE]
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
