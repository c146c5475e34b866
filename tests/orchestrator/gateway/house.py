"""A gateway in this process: the real app over a real hive and database, without a socket.

Whatever a test hands over as `values` are the gateway's variables; limits are small, so that large
and slow need neither megabytes nor seconds.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import select

from guardrails.audit import AuditLog
from guardrails.config import load_config
from guardrails.heartbeats import Beating
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.people_tables import inbox
from orchestrator.gateway.ground import Attachment, Ground
from orchestrator.gateway.intake import Intake
from orchestrator.gateway.main import compose
from orchestrator.gateway.spool import Spool
from servers.common import contract_sandbox as sandbox
from tests.conftest import SteppableClock

RB2B = f"/webhooks/rb2b/{sandbox.RB2B_WEBHOOK_SECRET}"
INSTANTLY = f"/webhooks/instantly/{sandbox.INSTANTLY_WEBHOOK_SECRET}"
GHL_WORKFLOW = f"/webhooks/ghl/{sandbox.GHL_WEBHOOK_SECRET}"
LIMIT = 4096  # bytes of a body
SLOW_S = 0.2
REFUSED = 20  # a minute
VISITOR: dict[str, Any] = {
    "LinkedIn URL": "https://www.linkedin.com/in/ana-sample",
    "First Name": "Ana",
    "Business Email": "ana@firm.example",
    "Company Name": "Firm",
    "Captured URL": "https://us.example/pricing",
    "Seen At": "2024-01-01T12:34:56:00.00+00.00",  # as RB2B's own sample has it
}


@dataclass
class House:
    """One gateway and what stands behind it."""

    client: httpx.AsyncClient
    hive: Hive
    store: Store
    intake: Intake
    clock: SteppableClock

    async def rows(self) -> list[Any]:
        """Everything in the inbox, oldest first."""
        ordered = select(inbox).order_by(inbox.c.received_at, inbox.c.id)
        return list(await self.store.query(lambda conn: conn.execute(ordered).all()))

    async def states(self) -> list[str]:
        """The states of everything in the inbox."""
        return [row.state for row in await self.rows()]


_config = functools.cache(load_config)


@asynccontextmanager
async def house(
    hive: Hive,
    store: Store,
    clock: SteppableClock,
    attached: Attachment | None = None,
    *,
    values: Mapping[str, str] | None = None,
    patience_s: float = 10.0,
) -> AsyncIterator[House]:
    """The gateway, with the sandbox's secrets unless `values` says otherwise."""
    config = _config()
    rules = config.production.gateway.model_copy(
        update={
            "max_body_bytes": LIMIT,
            "body_timeout_s": SLOW_S,
            "per_source_per_minute": REFUSED,
        }
    )
    production = config.production.model_copy(update={"gateway": rules})
    config = config.model_copy(update={"production": production})
    audit, spool = AuditLog(hive, store, clock), Spool(hive.path / "inbox_spool")
    given = sandbox.environment() if values is None else values
    ground = Ground(config, hive, store, audit, clock, given)
    intake = Intake(store, spool, patience_s=patience_s, pause_s=0.0)
    beating = Beating(store, "gateway", clock, 5)
    seconds = lambda: clock().timestamp()  # noqa: E731
    app, clicks, _ = compose(
        ground, intake, attached or Attachment(), beating, monotonic=seconds, wall=seconds
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        try:
            yield House(client, hive, store, intake, clock)
        finally:
            await clicks.finish()
            spool.close()
            audit.close()


async def dripping(*chunks: bytes) -> AsyncIterator[bytes]:
    """These bytes, and then nothing for ever."""
    for chunk in chunks:
        yield chunk
    await asyncio.Event().wait()
