"""Our servers over HTTP in this process: the real door and the real protocol's app.

Clients that cannot send a token get one put into their requests, behind everything else that the
door looks at.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from starlette.types import ASGIApp, Receive, Scope, Send

from guardrails.mcp_token_model import Scope as TokenScope
from guardrails.mcp_token_model import Token
from servers.common.serve_http import protocol
from servers.common.serve_http_door import PATH, Door, Names
from servers.common.serve_http_protocol import ReadOrLeave

TOKEN = "swarm_mcp_of-a-test"
_HOLDER = Token(
    id="0" * 8,
    name="test",
    scope=TokenScope.OPERATE,
    digest="0" * 64,
    created=datetime(2026, 3, 10, tzinfo=UTC),
)


class WithToken:
    """Puts the token into requests that have none."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not any(name == b"authorization" for name, _ in scope.get("headers", ())):
            said = (b"authorization", f"Bearer {TOKEN}".encode())
            scope = {**scope, "headers": [*scope["headers"], said]}
        await self._inner(scope, receive, send)


def holder(presented: str) -> Token | None:
    """One token is known."""
    return _HOLDER if presented == TOKEN else None


@asynccontextmanager
async def over_http(server: Server[Any]) -> AsyncIterator[str]:
    """The server's URL."""
    manager = protocol(server)
    door = WithToken(Door(manager.handle_request, server.name, holder, Names.of(())))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            door, http=ReadOrLeave, ws="none", lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        running = uvicorn.Server(config)
        async with manager.run():
            serving = asyncio.create_task(running.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
            finally:
                running.should_exit = True
                await serving
