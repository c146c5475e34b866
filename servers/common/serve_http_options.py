"""The command line of a server. Owns: its options, all of them about HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.mcp_tokens import Tokens
from servers.common.serve_http import Where, say_ready, serve_http
from servers.common.settings import ServerSettings


def speaking(arguments: Sequence[str]) -> Callable[[Server[Any]], Awaitable[None]]:
    """What serves a server as the command line says. Ends the process when it cannot be read."""
    parser = argparse.ArgumentParser(description="An MCP server, over stdio or HTTP.")
    parser.add_argument("--http", action="store_true", required=True, help="instead of stdio")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument(
        "--allow-host", action="append", default=[], help="NAME[:PORT] that clients write"
    )
    parser.add_argument("--allow-origin", action="append", default=[], help="of pages in a browser")
    asked = parser.parse_args(list(arguments))
    where = Where(asked.host, asked.port, tuple(asked.allow_host), tuple(asked.allow_origin))

    async def speak(server: Server[Any]) -> None:
        settings = ServerSettings()
        tokens = Tokens(Hive.open(settings.hive, sandbox=settings.sandbox), utc_now)
        await serve_http(server, where, tokens, say_ready)

    return speak
