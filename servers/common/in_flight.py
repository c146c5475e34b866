"""How many requests of one client are under way. Owns: when the next one is read.

A client that asks and never reads, or asks faster than it can be served, waits in its own pipe and
not in our memory. A request is under way until its answer was taken, or it was cancelled. Several
under one id count each, since the SDK works on all of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import mcp_types as types
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params

MOST = 512  # far above what one queen has under way at one server


class InFlight:
    """How many are under way, by their ids as the SDK tells them apart (7 is "7")."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ids: Counter[types.RequestId] = Counter()
        self._room = asyncio.Event()

    async def room(self) -> None:
        """Wait until there is room for one more."""
        while self._ids.total() >= self._most:
            self._room.clear()
            await self._room.wait()

    def read(self, message: types.JSONRPCMessage) -> None:
        """A message came in."""
        if isinstance(message, types.JSONRPCRequest):
            self._ids[coerce_request_id(message.id)] += 1
        elif (
            isinstance(message, types.JSONRPCNotification)
            and message.method == "notifications/cancelled"
            and (number := cancelled_request_id_from_params(message.params)) is not None
            and self._ids[coerce_request_id(number)] == 1  # of several the others go on
        ):
            self._ended(number)  # it may never be answered

    def written(self, message: types.JSONRPCMessage) -> None:
        """A message was taken by the other side, or nobody takes any more."""
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._ended(message.id)

    def _ended(self, number: types.RequestId | None) -> None:
        if number is not None and (known := coerce_request_id(number)) in self._ids:
            self._ids[known] -= 1
            if not self._ids[known]:
                del self._ids[known]
        self._room.set()
