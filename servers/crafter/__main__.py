"""Start the crafter: settings, service, stdio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from servers.common.main import run
from servers.crafter.compose import compose
from servers.crafter.leaving import leaving_link
from servers.crafter.settings import CrafterSettings
from servers.crafter.tools import build_server


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The crafter over this process's environment; it holds nothing that needs closing."""
    settings = CrafterSettings()
    service = compose(
        settings.config(),
        settings.sender(),
        settings.clock,
        sandbox=settings.sandbox,
        given=settings.config_path,
        leaving=lambda policy: leaving_link(settings.gateway_public_url, settings, policy),
    )
    yield build_server(service)


if __name__ == "__main__":
    run(open_server)
