"""A server with a schema that the Inspector must object to, so that its silence means something."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

_SCHEMA = {"type": "object", "properties": {"what": {"type": ["string", "integer"]}}}


async def _list(_ctx: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="odd", input_schema=_SCHEMA)])


async def _serve() -> None:
    server: Server[Any] = Server("bad", on_list_tools=_list)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


asyncio.run(_serve())
