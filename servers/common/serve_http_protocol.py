"""Connections of MCP over HTTP. Owns: how long an answer may wait for somebody to read it.

uvicorn holds an answer back while its reader does not read, for ever; the request and its room are
held as long. Here such a connection is cut, which ends its request as if the client had left.
"""

from __future__ import annotations

import asyncio

from servers.common.listening_protocol import BoundedProtocol


class ReadOrLeave(BoundedProtocol):
    """The same bounds, and one more."""

    unread_s = 30.0
    _waiting: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Its reader is behind."""
        super().pause_writing()
        self._waiting = self.loop.call_later(self.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._done_waiting()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._done_waiting()
        super().connection_lost(exc)

    def _done_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
