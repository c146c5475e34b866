"""Socket Mode as Slack offers it. Owns: tickets, open connections, and who gets a payload.

A ticket of `apps.connections.open` opens one WebSocket; each payload goes to one of the open ones
and is acknowledged on it within three seconds, or was in vain. Slack hangs up from time to time,
and says so first.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from servers.sandbox.asgi import Receive, Send
from servers.sandbox.twin_slack_records import APP_ID, Record

PATH = "/_socket/"
PATIENCE_S = 3.0


class Connection:
    """One open WebSocket."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[str, asyncio.Future[Record]] = {}

    async def say(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        await self._send({"type": "websocket.send", "text": orjson.dumps(message).decode()})

    async def deliver(self, envelope_id: str, payload: Record) -> Record | None:
        """Send a payload; gives its acknowledgement, or None when there was none in time."""
        answered: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = answered
        await self.say(
            {
                "type": "interactive", "envelope_id": envelope_id, "payload": payload,
                "accepts_response_payload": payload["type"] == "view_submission",
            }
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answered
        except TimeoutError:
            return None

    def hear(self, text: str) -> None:
        """Take an acknowledgement."""
        said = orjson.loads(text)
        answered = self._waiting.pop(str(said.get("envelope_id")), None)
        if answered is not None and not answered.done():
            answered.set_result(said)


class Sockets:
    """All connections of one app."""

    def __init__(self) -> None:
        self._tickets: set[str] = set()
        self._count = 0
        self.open: list[Connection] = []

    def ticket(self) -> str:
        """The right to open one connection."""
        self._count += 1
        made = hashlib.blake2b(f"ticket {self._count}".encode(), digest_size=16).hexdigest()
        self._tickets.add(made)
        return made

    async def serve(self, path: str, receive: Receive, send: Send) -> None:
        """One connection, from its handshake to its end."""
        await receive()  # websocket.connect
        ticket = path.removeprefix(PATH)
        if ticket not in self._tickets:
            await send({"type": "websocket.close", "code": 4401})
            return
        self._tickets.discard(ticket)
        await send({"type": "websocket.accept"})
        connection = Connection(send)
        await connection.say({"type": "hello", "connection_info": {"app_id": APP_ID}})
        self.open.append(connection)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                connection.hear(message.get("text") or "{}")
        finally:
            self.open.remove(connection)

    async def deliver(self, payload: Record) -> Record | None:
        """Send a payload over the newest connection."""
        self._count += 1
        return await self.open[-1].deliver(f"envelope-{self._count}", payload)

    async def hang_up(self) -> int:
        """Ask every connection to be opened anew. Gives how many there were."""
        for connection in list(self.open):
            await connection.say({"type": "disconnect", "reason": "refresh_requested"})
        return len(self.open)
