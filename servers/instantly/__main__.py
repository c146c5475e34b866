"""Start the instantly server on stdio: settings → adapter → run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.config.models import Production
from guardrails.ledger import Ledger
from servers.common.http import VendorClient, open_client
from servers.common.http_keys import bearer
from servers.common.main import run
from servers.common.safety import Safety, open_safety
from servers.instantly.book import LedgerBook, NoBook
from servers.instantly.ports import Book
from servers.instantly.service import InstantlyService
from servers.instantly.settings import InstantlySettings
from servers.instantly.tools import Services, build_server, services
from servers.instantly.vendor import InstantlyOutreach
from servers.instantly.vendor_operations import OPERATIONS
from servers.instantly.vendor_writes import InstantlyPlatform


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
            yield build_server(_services(production, safety, client))


def _services(production: Production, safety: Safety, client: VendorClient) -> Services:
    return services(
        InstantlyService(InstantlyOutreach(client)),
        InstantlyPlatform(client),
        _book(production, safety),
        production.sending_window,
        production.sending_limits,
        safety.clock,
    )


def _book(production: Production, safety: Safety) -> Book:
    if safety.writes is None:
        return NoBook()
    salt = safety.writes.salt
    return LedgerBook(Ledger.of(production, safety.store, safety.clock, salt), safety.store, salt)


if __name__ == "__main__":
    run(open_server)
