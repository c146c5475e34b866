"""How many requests of one client are under way. Owns: when the next one is read.

A client that asks and never reads, or asks faster than it can be served, waits in its own pipe and
not in our memory. A request is under way until its answer was taken, or it was cancelled.
"""

from __future__ import annotations

import asyncio

import mcp_types as types

MOST = 512  # far above what one queen has under way at one server


class InFlight:
    """The ids of what is under way."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ids: set[types.RequestId] = set()
        self._room = asyncio.Event()

    async def room(self) -> None:
        """Wait until there is room for one more."""
        while len(self._ids) >= self._most:
            self._room.clear()
            await self._room.wait()

    def read(self, message: types.JSONRPCMessage) -> None:
        """A message came in."""
        if isinstance(message, types.JSONRPCRequest):
            self._ids.add(message.id)
        elif (
            isinstance(message, types.JSONRPCNotification)
            and message.method == "notifications/cancelled"
            and isinstance(number := (message.params or {}).get("requestId"), int | str)
        ):
            self._ended(number)  # it may never be answered

    def written(self, message: types.JSONRPCMessage) -> None:
        """A message was taken by the other side, or nobody takes any more."""
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._ended(message.id)

    def _ended(self, number: types.RequestId | None) -> None:
        if number is not None:
            self._ids.discard(number)
        self._room.set()
