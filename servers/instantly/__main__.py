"""Start the instantly server on stdio: settings → adapter → run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from servers.common.http import open_client
from servers.common.http_keys import bearer
from servers.common.main import run
from servers.common.safety import open_safety
from servers.instantly.service import InstantlyService
from servers.instantly.settings import InstantlySettings
from servers.instantly.tools import build_server
from servers.instantly.vendor import OPERATIONS, InstantlyOutreach


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The server with its vendor client; closes the client at the end."""
    settings = InstantlySettings()
    key = settings.key()
    production = settings.config().production
    vendor = production.vendors.instantly
    with open_safety(settings, production, "instantly") as safety:
        async with open_client(
            "instantly",
            vendor,
            settings.base_url(settings.given_url, vendor.base_url),
            OPERATIONS,
            production.mode,
            safety,
            keys={"Authorization": bearer(key)},
        ) as client:
            yield build_server(InstantlyService(InstantlyOutreach(client)))


if __name__ == "__main__":
    run(open_server)
