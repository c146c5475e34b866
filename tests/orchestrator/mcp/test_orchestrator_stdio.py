"""The Orchestrator-MCP as a process of its own: one client, one way through, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters

from guardrails.hive import Hive
from tests.orchestrator.mcp.house import call
from tests.orchestrator.mcp.taking import people

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    env = {
        "HIVE_MIND_DIR": str(tmp_path / "hive"),
        "SWARM_SANDBOX": "1",
        "PATH": os.environ["PATH"],
        "GHL_PROD_API_KEY": "a-key-that-is-nobodys",
    }
    command = ["-P", "-m", "orchestrator"]
    params = StdioServerParameters(command=sys.executable, args=command, env=env, cwd=tmp_path)

    async def put(_ctx: Any, _params: Any) -> types.ElicitResult:
        pytest.fail("nobody may be asked here")

    async with Client(params, elicitation_callback=put) as connected:
        yield connected


async def test_over_stdio_leads_are_handed_in_followed_and_withdrawn_and_the_swarm_is_stopped(
    client: Client, tmp_path: Path
) -> None:
    assert client.server_info is not None
    assert client.server_info.name == "orchestrator"
    assert len((await client.list_tools()).tools) == 12
    assert (await call(client, "get_status"))["unread"] == {}
    handed = await call(client, "submit_leads", csv_text=people("ana"))
    id = handed["submission_id"]
    assert (await call(client, "follow_submission", submission_id=id))["stage"] == "waiting"
    assert (await call(client, "cancel_submission", submission_id=id))["stage"] == "cancelled"
    asked = await client.call_tool("ask_approver", {"approval_id": "AP-" + "0" * 20})
    assert asked.is_error  # nobody is named in config/, so that nobody is asked
    assert "checklist" in str((await client.get_prompt("go_live_checklist")).messages[0].content)
    assert (await call(client, "stop_swarm", reason="a drill"))["verified"]
    hive = Hive.existing(tmp_path / "hive")
    assert hive.stop_file.exists()
    assert hive.bank_file.exists()  # made with the hive, so that decisions can be made in it
    kept = b"".join(file.read_bytes() for file in hive.path.rglob("*") if file.is_file())
    assert b"a-key-that-is-nobodys" not in kept
