"""A server of ours with one trivial tool: our transport, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from servers.common.contract import Args, Result, ToolSpec
from servers.common.main import run
from servers.common.toolserver import Binding, build


class Echo(Args):
    """The trivial tool's argument."""

    text: str


class Echoed(Result):
    """Its result."""

    text: str


async def echo(args: Echo) -> Echoed:
    """Give the text back."""
    return Echoed(text=args.text)


@asynccontextmanager
async def opened() -> AsyncIterator[Server[Any]]:
    """The server, ready."""
    spec = ToolSpec("echo", "Echo", "Give the text back.", Echo, Echoed)
    yield build("plain", "Gives text back.", [Binding(spec, echo)])


if __name__ == "__main__":
    run(opened)
