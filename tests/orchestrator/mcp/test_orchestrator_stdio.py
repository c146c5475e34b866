"""The Orchestrator-MCP as a process of its own: one way through, with a person who answers."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters

from guardrails.clock import utc_now
from guardrails.config import config_dir
from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.mcp.parts import opened_parts
from orchestrator.mcp.settings import OrchestratorSettings
from tests.conftest import SteppableClock
from tests.decision_samples import DRAFT
from tests.orchestrator.mcp.house import House, call, written
from tests.orchestrator.mcp.taking import people

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
KEY = "a-key-that-is-nobodys"


async def waiting_in(hive: Hive) -> str:
    """An e-mail that waits for a person in this hive."""
    store = open_store(hive)
    house = House(hive, store, SteppableClock())
    waits = await house.waiting.asked()
    house.close()
    store.close()
    return waits.approval_id


def config_in(folder: Path) -> Path:
    """A copy of config/ whose first approver may answer through MCP."""
    there = Path(shutil.copytree(config_dir(), folder / "config"))
    production = there / "production.json"
    told = json.loads(production.read_text())
    told["approvals"]["mcp_approvers"] = ["Ana Approver"]
    production.write_text(json.dumps(told))
    return there


async def test_over_stdio_a_person_approves_leads_come_and_go_and_the_swarm_is_stopped(
    tmp_path: Path,
) -> None:
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    approval_id = await waiting_in(hive)
    env = {
        "HIVE_MIND_DIR": str(hive.path),
        "SWARM_CONFIG": str(config_in(tmp_path)),
        "SWARM_SANDBOX": "1",
        # The sandbox's clock: the e-mail was written on another day.
        "SWARM_SANDBOX_OFFSET_S": str((SteppableClock().now - utc_now()).total_seconds()),
        "PATH": os.environ["PATH"],
        "GHL_PROD_API_KEY": KEY,
    }
    params = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "orchestrator"], env=env, cwd=tmp_path
    )

    async def put(_ctx: Any, asked: Any) -> types.ElicitResult:
        assert DRAFT.subject in asked.message
        content = {"decision": "approve", "approver": "Ana Approver"}
        return types.ElicitResult(action="accept", content=content)

    async with Client(params, elicitation_callback=put) as client:
        assert client.server_info is not None
        assert client.server_info.name == "orchestrator"
        assert len((await client.list_tools()).tools) == 12
        assert (await call(client, "get_status"))["unread"] == {}
        told = await call(client, "ask_approver", approval_id=approval_id)
        assert told["outcome"] == "approved"
        assert "via mcp" in (await call(client, "explain_decision", id=told["audit_id"]))["text"]
        handed = await call(client, "submit_leads", csv_text=people("ana"))
        id = handed["submission_id"]
        assert (await call(client, "follow_submission", submission_id=id))["stage"] == "waiting"
        assert (await call(client, "cancel_submission", submission_id=id))["stage"] == "cancelled"
        prompt = await client.get_prompt("go_live_checklist")
        assert "checklist" in str(prompt.messages[0].content)
        assert (await call(client, "stop_swarm", reason="a drill"))["verified"]
    assert hive.stop_file.exists()
    assert '"via":"mcp"' in written(hive)
    kept = b"".join(file.read_bytes() for file in hive.path.rglob("*") if file.is_file())
    assert KEY.encode() not in kept


async def test_a_brand_new_hive_is_made_with_its_bank(tmp_path: Path) -> None:
    """Else the queen, who comes later, would find a used hive that has lost it."""
    settings = OrchestratorSettings(hive=tmp_path / "hive", sandbox=True)
    with opened_parts(settings) as parts:
        assert parts.bank.size > 0
