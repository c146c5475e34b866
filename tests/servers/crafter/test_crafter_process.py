"""The real server, over stdio, as any MCP client meets it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from guardrails.model import CompetitorFinding, Dossier, Qualification, Research
from servers.crafter import contract

pytestmark = [pytest.mark.processes, pytest.mark.anyio]


def parameters(tmp_path: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "servers.crafter"],
        env={
            "HIVE_MIND_DIR": str(tmp_path),
            "SWARM_SANDBOX": "1",
            "PATH": os.environ["PATH"],
            **{name: os.environ[name] for name in ("SWARM_CONFIG",) if name in os.environ},
        },
        cwd=tmp_path,
    )


async def test_a_client_lists_templates_writes_and_checks_a_draft(
    tmp_path: Path, writer: Any
) -> None:
    dossier = Dossier(
        lead=writer.lead(),
        research=Research(competitor=CompetitorFinding(is_competitor=False, why="not listed")),
    )
    qualification = Qualification(
        score=80, tier=1, parts=(), segment="agency", persona="founder", icp_version="1"
    )
    async with Client(parameters(tmp_path), mode="legacy", read_timeout_seconds=60) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == {spec.name for spec in contract.TOOLS}
        known = await client.call_tool("list_templates", {})
        assert known.structured_content is not None
        assert len(known.structured_content["templates"]) == len(writer.config.templates.templates)
        written = await client.call_tool(
            "write_draft",
            {
                "dossier": dossier.model_dump(mode="json"),
                "qualification": qualification.model_dump(mode="json"),
            },
        )
        drafted = contract.Drafted.model_validate(written.structured_content)
        assert drafted.draft is not None
        assert drafted.draft.template == "segment_leader"
        checked = await client.call_tool(
            "check_text", {"subject": drafted.draft.subject, "body": drafted.draft.body}
        )
        answer = contract.TextChecks.model_validate(checked.structured_content)
        assert {check.verdict for check in answer.checks} == {"pass"}
        refused = await client.call_tool("write_draft", {"dossier": {}, "to": "a@b.example"})
        assert refused.is_error
