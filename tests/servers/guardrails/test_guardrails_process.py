"""The real guardrails process over stdio, as any MCP client would start it."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from guardrails.model import Dossier, Draft
from servers.guardrails.contract import TOOLS, ReviewLead
from tests.decision_samples import CONFIG, DOSSIER, DRAFT, QUALIFICATION
from tests.mcp.failures import failure_of

JUST_NOW = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
pytestmark = [pytest.mark.anyio, pytest.mark.processes]


def parameters(hive: Path, **env: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "servers.guardrails"],
        cwd=CONFIG.parent,
        env={
            "HIVE_MIND_DIR": str(hive),
            "SWARM_SANDBOX": "1",
            "PYTHONPATH": str(CONFIG.parent),
            "PATH": os.environ["PATH"],
            **env,
        },
    )


def fresh(value: Any) -> Any:
    """The sample with its evidence fetched a moment ago, by the real clock."""
    text = json.dumps(value.model_dump(mode="json"))
    return json.loads(text.replace("2026-03-08T14:00:00Z", JUST_NOW))


async def call(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    result = await client.call_tool(name, arguments)
    if result.is_error:
        return failure_of(result), True
    return result.structured_content, False


async def test_the_process_reviews_explains_and_replays(tmp_path: Path) -> None:
    arguments = ReviewLead(
        run_id="run-1",
        dossier=Dossier.model_validate(fresh(DOSSIER)),
        qualification=QUALIFICATION,
        draft=Draft.model_validate(fresh(DRAFT)),
    ).model_dump(mode="json")
    async with Client(parameters(tmp_path / "hive")) as client:
        listed = (await client.list_tools()).tools
        assert {tool.name for tool in listed} == {spec.name for spec in TOOLS}
        decision, failed = await call(client, "review_lead", arguments)
        assert not failed, decision
        assert decision["state"] == "shadow_logged", decision["reasons"]
        refusal, failed = await call(client, "review_lead", {**arguments, "confirm": True})
        assert failed
        assert refusal["code"] == "bad_input"
    # another process, over the same hive: the same decision, from the record
    async with Client(parameters(tmp_path / "hive")) as client:
        again, failed = await call(client, "review_lead", arguments)
        assert not failed
        assert again == decision
        told, _ = await call(client, "explain_decision", {"id": decision["audit_id"]})
        assert told["state"] == "shadow_logged"
        replayed, _ = await call(client, "replay_decision", {"id": decision["audit_id"]})
        assert replayed["same"] is True
    (file,) = (tmp_path / "hive" / "audit").glob("*.jsonl")
    assert len(file.read_text("utf-8").splitlines()) == 1


async def test_a_hive_made_for_the_sandbox_does_not_open_for_real(tmp_path: Path) -> None:
    async with Client(parameters(tmp_path / "hive")) as client:
        assert (await client.list_tools()).tools
    given = parameters(tmp_path / "hive", SWARM_SANDBOX="0")
    done = await anyio.run_process(
        [given.command, *given.args], env=given.env, cwd=given.cwd, input=b"", check=False
    )
    assert done.returncode == 2
    assert b"sandbox" in done.stderr
