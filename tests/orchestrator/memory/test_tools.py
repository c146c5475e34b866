"""The memory as an MCP server: two tools that change nothing, and what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client

from guardrails.clock import iso, utc_now
from guardrails.remembering import begin
from guardrails.store import Store
from orchestrator.memory.rows import Sender
from orchestrator.memory.service import MemoryService
from orchestrator.memory.tools import build_server
from orchestrator.memory.wire import MemoryWire
from orchestrator.memory.worker import Worker
from tests.orchestrator.memory.conftest import SALT, Project, touch

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def asked(store: Store, project: Project, clock: Any) -> AsyncIterator[Any]:
    with store.transaction() as conn:
        sender = Sender(begin(conn, iso(clock()), "a" * 16), True, SALT)
    async with MemoryWire("http://127.0.0.1/supabase", project.key,
                          transport=project.transport) as wire:  # fmt: skip
        worker = Worker(store, wire, sender, clock, "me", "1")
        service = MemoryService(store, wire, sender, worker)
        async with Client(build_server(service)) as client:
            yield client


async def test_both_tools_are_marked_as_changing_nothing(
    sqlite_store: Store, project: Project, clock: Any
) -> None:
    async with asked(sqlite_store, project, clock) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"look_up_history", "get_memory_status"}
    assert all(tool.annotations.read_only_hint for tool in tools.values())
    assert tools["look_up_history"].annotations.open_world_hint
    assert not tools["get_memory_status"].annotations.open_world_hint


async def test_a_look_up_needs_somebody_and_silence_is_an_answer(
    sqlite_store: Store, project: Project, clock: Any
) -> None:
    async with asked(sqlite_store, project, clock) as client:
        assert (await client.call_tool("look_up_history", {})).is_error
        project.behave(outage={"supabase": 503})
        found = await client.call_tool("look_up_history", {"email": "ana@elm.example"})
    assert not found.is_error
    assert found.structured_content["recollection"]["answered"] is False


async def test_the_status_tells_what_waits(
    sqlite_store: Store, project: Project, clock: Any
) -> None:
    async with asked(sqlite_store, project, clock) as client:
        touch(sqlite_store, "A-1", utc_now())
        found = (await client.call_tool("get_memory_status", {})).structured_content
    assert (found["waiting"], found["drains"], found["trouble"]) == (1, False, None)
