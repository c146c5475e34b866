"""Start the hunter: settings, service, stdio. `python -P -m servers.hunter`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.hive import Hive
from servers.common.main import run
from servers.hunter.rows import Rules
from servers.hunter.service import Hunter
from servers.hunter.settings import HunterSettings
from servers.hunter.tools import build_server


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The hunter over its environment.

    Raises:
        ConfigError: config/ or the hive cannot be used.
    """
    settings = HunterSettings()
    config = settings.config()
    rules = Rules(
        salt=Hive.open(settings.hive, sandbox=settings.sandbox).salt(),
        sandbox=settings.sandbox,
        free_mail=frozenset(config.exclusions.free_mail),
        bands=tuple((band.min, band.max) for band in config.icp.size_bands),
    )
    service = Hunter(rules, settings.root_paths())
    try:
        yield build_server(service)
    finally:
        service.close()


if __name__ == "__main__":
    run(open_server)
