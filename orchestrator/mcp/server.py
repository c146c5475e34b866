"""The Orchestrator-MCP's process. Owns: settings → open parts → server, and closing them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from orchestrator.mcp.parts import opened_parts, state_key
from orchestrator.mcp.service_insight import InsightService
from orchestrator.mcp.settings import OrchestratorSettings, forget_keys
from orchestrator.mcp.tools import build_server


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The server over its hive, without any vendor's key.

    Raises:
        ConfigError: config/, the hive or its database cannot be used.
    """
    forget_keys()
    with opened_parts(OrchestratorSettings()) as parts:
        insight = InsightService(parts)
        try:
            yield build_server(parts, insight, state_key(parts.hive))
        finally:
            insight.close()
