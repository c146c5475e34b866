"""Connections. Owns: how long a request's head may take and how large it may be, and how many wait.

uvicorn bounds a body's pace by the application and an idle connection by a timer, but neither a
head that drips in nor its size. When there are too many connections, the one that has waited
longest for its head makes room: who speaks is heard, however many are silent.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_BYTES = 32 * 1024
CONNECTIONS = 1000
PIPELINED = 16  # requests sent ahead on one connection
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, with the bounds above."""

    head_s = 10.0
    linger_s = 2.0  # for what an answered sender has not finished saying
    connections_most = CONNECTIONS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_head = True
        self._head_bytes = 0  # received since the last whole request
        self._fields = 0  # bytes of this request's target and fields
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._close_in(self.head_s)
        if len(self.connections) > self.connections_most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._unset_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._timer is None:
                self._close_in(self.head_s)  # the next request on this connection begins
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= PIPELINED:
            raise ValueError("too many requests at once")
        self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of its target is here."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of its head is here."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._in_head = False
        self._unset_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or too much of it, gets an answer that says so, and is closed."""
        if max(self._fields, self._head_bytes) > HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        """The request is here as a whole."""
        self._in_head = True
        self._head_bytes = 0
        self._unset_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written."""
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._close_in(self.linger_s)

    @property
    def silent(self) -> bool:
        """Whether nothing is being done for this connection."""
        return self._in_head and (self.cycle is None or self.cycle.response_complete)

    def _count(self, size: int) -> None:
        self._fields += size
        if self._fields > HEAD_BYTES:
            raise ValueError("the head is too large")

    def _make_room(self) -> None:
        silent = [
            one for one in self.connections if isinstance(one, BoundedProtocol) and one.silent
        ]
        # Timers grow with time: the one that is due first has waited longest.
        oldest = min(silent, key=lambda one: one._due, default=self)
        oldest.transport.close()

    @property
    def _due(self) -> float:
        return self._timer.when() if self._timer is not None else float("inf")

    def _close_in(self, seconds: float) -> None:
        self._unset_timer()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
