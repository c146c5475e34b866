"""Start the ghl server on stdio: settings → adapter → run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.brakes.stop import StopSwitch
from servers.common.http import open_client
from servers.common.http_keys import bearer
from servers.common.main import run
from servers.common.safety import open_safety
from servers.ghl.gate import Gate
from servers.ghl.service import CrmRules, CustomerMarks, GhlService
from servers.ghl.settings import GhlSettings, listed
from servers.ghl.tools import build_server, toolbox
from servers.ghl.vendor import GhlCrm
from servers.ghl.vendor_writes import OPERATIONS, GhlWriting


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The server with its vendor client; closes the client at the end."""
    settings = GhlSettings()
    key, location = settings.key(), settings.location()
    config = settings.config()
    vendor = config.production.vendors.ghl
    rules = CrmRules(
        customer=CustomerMarks(listed(settings.customer_tags), listed(settings.customer_types)),
        bounce_tags=listed(settings.bounce_tags),
        free_mail=frozenset(config.exclusions.free_mail),
    )
    with open_safety(settings, config.production, "ghl") as safety:
        async with open_client(
            "ghl",
            vendor,
            settings.base_url(settings.given_url, vendor.base_url),
            OPERATIONS,
            config.production.mode,
            safety,
            keys={"Authorization": bearer(key)},
        ) as client:
            strict = GhlCrm(client, location, vendor.api_version)
            versions = (vendor.api_version, vendor.conversations_version)
            crm = GhlWriting(client, location, *versions)
            gate = Gate(
                safety.writes, StopSwitch(safety.hive, safety.store), config.production.mode
            )
            yield build_server(toolbox(GhlService(strict, rules), strict, crm, gate, safety.clock))


if __name__ == "__main__":
    run(open_server)
