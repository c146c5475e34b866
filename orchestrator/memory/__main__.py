"""Start the memory on stdio: settings → hive, store, client → drain beside the tools.

`python -P -m orchestrator.memory`. The queen starts it beside the six servers; it alone has the
project's key (P8).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.remembering import begin
from guardrails.store import open_store
from guardrails.versions import code_version
from orchestrator.memory.rows import Sender
from orchestrator.memory.service import MemoryService
from orchestrator.memory.settings import MemorySettings
from orchestrator.memory.tools import build_server
from orchestrator.memory.wire import MemoryWire
from orchestrator.memory.worker import Worker
from servers.common.main import run


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The server over its hive and project. A project that is away does not stop it."""
    settings = MemorySettings()
    hive, clock = Hive.open(settings.hive, sandbox=settings.sandbox), settings.clock
    store = open_store(hive, settings.database_url)
    try:
        at, name = iso(clock()), secrets.token_hex(8)
        origin = await store.run(lambda conn: begin(conn, at, name))
        sender = Sender(origin, settings.sandbox, hive.salt())
        async with MemoryWire(settings.project(), settings.key.get_secret_value()) as wire:
            # Named after the hive: one that was killed is followed by one that has the duty.
            worker = Worker(store, wire, sender, clock, hive.chain_id(), code_version())
            ended = asyncio.Event()
            task = asyncio.create_task(worker.run(ended), name="memory")
            try:
                yield build_server(MemoryService(store, wire, sender, worker))
            finally:
                ended.set()
                await asyncio.wait([task], timeout=5.0)
                task.cancel()
    finally:
        store.close()


if __name__ == "__main__":
    run(open_server)
