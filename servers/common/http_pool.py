"""Connections to one vendor. Owns: opening them, keeping them open for reuse, and their time-outs.

Knows a single address and no other, no proxy and no redirect. Refuses: a certificate that does
not hold, and a request for another address than its own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from servers.common.http_connection import Connection, serialised

MAX_CONNECTIONS = 64
KEPT_IDLE = 32
IDLE_S = 60.0
_FIRST_ADDRESS_S = 0.25  # then the host's next address is tried beside it
_DEFAULT_S = 30.0
_PORTS = {"http": 80, "https": 443}


class ConnectionPool(httpx.AsyncBaseTransport):
    """HTTP/1.1 over pooled connections to the address of `base`.

    Args:
        context: for https; None speaks plain http and cannot speak TLS.
        limit: bytes of an answer's body after which reading stops.
        most: connections at one time.
        idle_s: seconds after which an unused connection is not used again.
    """

    def __init__(
        self,
        base: httpx.URL,
        context: ssl.SSLContext | None,
        limit: int,
        *,
        most: int = MAX_CONNECTIONS,
        idle_s: float = IDLE_S,
    ) -> None:
        self._origin = (base.scheme, base.host, base.port or _PORTS[base.scheme])
        self._context = context
        self._limit = limit
        self._slots = asyncio.Semaphore(most)
        self._idle_s = idle_s
        self._idle: deque[Connection] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if (url.scheme, url.host, url.port or _PORTS.get(url.scheme)) != self._origin:
            raise httpx.UnsupportedProtocol("another address than the vendor's", request=request)
        limits = request.extensions.get("timeout", {})
        content = serialised(request, await request.aread())
        async with self._connection(limits) as connection:
            return await connection.exchange(content, limits.get("read") or _DEFAULT_S)

    async def aclose(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports end at the event loop's next turn

    @asynccontextmanager
    async def _connection(self, limits: dict[str, float | None]) -> AsyncIterator[Connection]:
        """A connection of one's own for one exchange."""
        try:
            async with asyncio.timeout(limits.get("pool") or _DEFAULT_S):
                await self._slots.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("every connection is in use") from error
        try:
            connection = self._kept() or await self._opened(limits.get("connect") or _DEFAULT_S)
            yield connection
            self._keep(connection)
        finally:
            self._slots.release()

    def _kept(self) -> Connection | None:
        """The connection used last, if it is still good: the others get their rest."""
        oldest = asyncio.get_running_loop().time() - self._idle_s
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection) -> None:
        if connection.usable():
            self._idle.append(connection)
        while len(self._idle) > KEPT_IDLE:
            self._idle.popleft().abort()

    async def _opened(self, within: float) -> Connection:
        _, host, port = self._origin
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._limit),
                    host,
                    port,
                    ssl=self._context,
                    server_hostname=host if self._context else None,
                    happy_eyeballs_delay=_FIRST_ADDRESS_S,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {within:g} s") from error
        except OSError as error:
            raise httpx.ConnectError(f"no connection ({type(error).__name__})") from error
        return connection
