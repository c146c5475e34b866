"""The vendors' twins on a real socket of this process, so that a test can count and set up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import uvicorn

from servers.sandbox.host import Sandbox, environment


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


@asynccontextmanager
async def served(
    app: Sandbox, ws: Literal["none", "auto"] = "none"
) -> AsyncIterator[dict[str, str]]:
    """Serve `app` on loopback; gives what a server needs in its environment to talk to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        app.port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, lifespan="off", ws=ws, access_log=False, log_level="warning",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.ready.wait()
            yield environment(app.port)
        finally:
            server.should_exit = True
            await serving
