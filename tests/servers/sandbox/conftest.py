"""A sandbox in this process, asked over its ASGI interface as over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from servers.sandbox.host import Sandbox, environment
from servers.sandbox.wire import Site
from servers.sandbox.world import World

ENV = environment(1)
LOCATION = ENV["GHL_LOCATION_ID"]
_WORLD = World()  # immutable, so all tests may share it

_HEADERS = {
    "ghl": {"Authorization": f"Bearer {ENV['GHL_PROD_API_KEY']}", "Version": "2021-07-28"},
    "instantly": {"Authorization": f"Bearer {ENV['INSTANTLY_API_KEY']}"},
    "clay": {"clay-api-key": ENV["CLAY_API_KEY"]},
    "rb2b": {"Api-Key": ENV["RB2B_API_KEY"]},
}


class Wire:
    """Sends requests to one sandbox. `headers` replaces the vendor's right headers."""

    def __init__(self, app: Sandbox) -> None:
        self.app = app

    def __call__(
        self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        vendor = path.split("/")[1]
        sent = _HEADERS.get(vendor, {}) if headers is None else headers

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://sandbox", trust_env=False
            ) as client:
                return await client.request(method, path, headers=sent, **more)

        return asyncio.run(ask())

    def search(self, **body: Any) -> httpx.Response:
        """A contact search in the right location."""
        asked = {"locationId": LOCATION, "pageLimit": 20} | body
        return self("POST", "/ghl/contacts/search", json=asked)

    def behave(self, **switches: Any) -> None:
        """Change the sandbox's behaviour."""
        assert self("POST", "/_twin/behaviour", json=switches).status_code == 200

    def counts(self) -> Any:
        """What was counted."""
        return self("GET", "/_twin/counts").json()


@pytest.fixture
def wire(clock: Any) -> Wire:
    return Wire(Sandbox(Site(_WORLD, clock)))


@pytest.fixture
def twin_wire(clock: Any) -> Wire:
    """A second sandbox over the same seed and the same clock."""
    return Wire(Sandbox(Site(World(), clock)))
