"""A Supabase project in this process: the twin, asked by the real client over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest

from guardrails.clock import iso
from guardrails.remembering import Fact, begin, remember
from guardrails.store import Store
from orchestrator.memory.rows import Sender
from orchestrator.memory.wire import MemoryWire
from servers.sandbox.behaviour import Behaviour
from servers.sandbox.host import Sandbox
from servers.sandbox.twin_supabase import SECRET_KEY, SupabaseTwin
from servers.sandbox.wire import Site
from servers.sandbox.world import World

T = TypeVar("T")
SALT = b"s" * 32
_WORLD = World()


class Project:
    """The twin, with what a test asks of it."""

    def __init__(self, clock: Any) -> None:
        self.app = Sandbox(Site(_WORLD, clock, Behaviour()))
        self.transport: httpx.AsyncBaseTransport = httpx.ASGITransport(app=self.app)
        self.key = SECRET_KEY

    @property
    def twin(self) -> SupabaseTwin:
        found = self.app.twins["supabase"]
        assert isinstance(found, SupabaseTwin)
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.twin.tables.rows(table)

    def behave(self, **switches: Any) -> None:
        now = self.app.site.behaviour.model_dump()
        self.app.site.behaviour = Behaviour.model_validate(now | switches)

    def requests(self) -> int:
        report = self.app.site.counters.report()["by_vendor"].get("supabase", {"total": 0})
        total: int = report["total"]
        return total

    def run(self, work: Callable[[MemoryWire], Awaitable[T]]) -> T:
        async def opened() -> T:
            async with MemoryWire("http://127.0.0.1/supabase", self.key,
                                  transport=self.transport) as wire:  # fmt: skip
                return await work(wire)

        return asyncio.run(opened())


@pytest.fixture
def project(clock: Any) -> Project:
    return Project(clock)


@pytest.fixture
def sender(store: Store, clock: Any) -> Sender:
    with store.transaction() as conn:
        return Sender(begin(conn, iso(clock()), "a" * 16), True, SALT)


def told(
    store: Store, fact: Fact, key: str, at: Any, lead_id: str | None = None, **more: Any
) -> None:
    """Something was to be remembered."""
    with store.transaction() as conn:
        remember(conn, fact, key, iso(at), {"at": iso(at), **more}, lead_id)


def touch(store: Store, key: str, at: Any, lead_id: str = "L-1") -> None:
    told(store, Fact.TOUCH, key, at, lead_id, run_id="R-1", audit_id=key, channel="instantly")
