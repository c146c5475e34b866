"""A server of trivial tools behind the door, for tests of MCP over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from pydantic import Field

from guardrails.hive import Hive
from guardrails.mcp_token_model import Scope
from guardrails.mcp_tokens import Tokens
from servers.common.contract import Args, Result, ToolSpec
from servers.common.listening import bound, serve
from servers.common.progress import report
from servers.common.serve_http import protocol
from servers.common.serve_http_door import Door, Limits, Names
from servers.common.serve_http_protocol import ReadOrLeave
from servers.common.toolserver import Binding, build
from tests.conftest import SteppableClock


class Said(Args):
    """What the tools take."""

    text: str = Field(default="", description="Text.")
    size: int = Field(default=0, description="Size.")


class Heard(Result):
    """What they give."""

    text: str


LOOK = ToolSpec("look", "Look", "Changes nothing.", Said, Heard)
CHANGE = ToolSpec("change", "Change", "Changes something.", Said, Heard, read_only=False)
WAIT = ToolSpec("wait", "Wait", "Waits until it is given up.", Said, Heard)
STEPS = ToolSpec("steps", "Steps", "Says how far it is.", Said, Heard)


class House:
    """The server, and what happened in it."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.begun = asyncio.Event()
        self.given_up = asyncio.Event()
        self.go_on = asyncio.Event()

    def server(self) -> Server[Any]:
        """With its tools."""
        bindings = [Binding(LOOK, self._look), Binding(CHANGE, self._change)]
        bindings += [Binding(WAIT, self._wait), Binding(STEPS, self._steps)]
        return build("house", "For tests.", bindings)

    async def _look(self, args: Said) -> Heard:
        return Heard(text=args.text + "x" * args.size)

    async def _change(self, args: Said) -> Heard:
        self.changed.append(args.text)
        return Heard(text="changed")

    async def _wait(self, _args: Said) -> Heard:
        self.begun.set()
        try:
            await self.go_on.wait()
        except anyio.get_cancelled_exc_class():
            self.given_up.set()
            raise
        return Heard(text="waited")

    async def _steps(self, _args: Said) -> Heard:
        await report(1, 3, "one")
        await report(2, 3, "too soon after the first")
        await report(1, 3, "backwards")
        await report(3, 3, "the end is always told")
        return Heard(text="done")


class Keys:
    """A token of each scope."""

    def __init__(self, hive: Hive, clock: SteppableClock) -> None:
        self.tokens = Tokens(hive, clock)
        self.read, _ = self.tokens.create("reader", Scope.READ, None)
        self.operate, _ = self.tokens.create("operator", Scope.OPERATE, None)


@asynccontextmanager
async def listening(
    server: Server[Any],
    tokens: Tokens,
    limits: Limits | None = None,
    connections: type[ReadOrLeave] = ReadOrLeave,
) -> AsyncIterator[str]:
    """The server on a socket of this process; gives its URL."""
    manager = protocol(server)
    door = Door(manager.handle_request, server.name, tokens.holder, Names.of(()), limits)
    ready = asyncio.Event()
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        async with manager.run():
            serving = asyncio.create_task(serve(door, listener, ready.set, connections))
            await ready.wait()
            try:
                yield f"http://127.0.0.1:{port}/mcp"
            finally:
                if not serving.done():
                    os.kill(os.getpid(), signal.SIGTERM)  # its own end, as it is in a process
                await serving
