"""The hunter as a process of its own, spoken to by an ordinary MCP client over stdio."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from guardrails.hive import Hive
from guardrails.identity import lead_id
from servers.hunter.contract import TOOLS, LeadPage, Visitor
from tests.mcp.failures import failure_of

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
CHECKOUT = Path(__file__).parents[3]


def parameters(tmp_path: Path, **more: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "servers.hunter"],
        env={
            "HIVE_MIND_DIR": str(tmp_path / "hive"),
            "SWARM_SANDBOX": "true",
            "HUNTER_ROOTS": str(tmp_path),
            "PATH": os.environ["PATH"],
            **more,
        },
        cwd=str(tmp_path),
    )


async def test_a_client_imports_a_file_and_reads_a_visitor(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("Email,Title\nann@firm.example,CEO\nbroken,CTO\nb@firm.example,COO\n")
    async with Client(parameters(tmp_path), read_timeout_seconds=60) as client:
        listed = (await client.list_tools()).tools
        assert {tool.name for tool in listed} == {spec.name for spec in TOOLS}
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed)

        first = await client.call_tool("import_leads", {"path": str(path), "limit": 2})
        page = LeadPage.model_validate(first.structured_content)
        salt = Hive.open(tmp_path / "hive", sandbox=True).salt()
        assert page.leads[0].lead_id == lead_id(salt, "ann@firm.example")
        assert page.rejected[0].reasons[0].code == "invalid_email"
        more = {"path": str(path), "cursor": page.next_cursor}
        rest = await client.call_tool("import_leads", more)
        assert LeadPage.model_validate(rest.structured_content).leads[0].row == 3

        visited = await client.call_tool(
            "read_visitor", {"payload": {"Business Email": "v@firm.example", "Employee Count": 7}}
        )
        visitor = Visitor.model_validate(visited.structured_content)
        assert visitor.lead is not None
        assert visitor.lead.employee_count == 7


async def test_a_client_is_told_code_and_remedy_of_a_refusal(tmp_path: Path) -> None:
    async with Client(parameters(tmp_path), read_timeout_seconds=60) as client:
        for arguments in ({"path": "/etc/passwd"}, {"csv_text": "Email\n", "colour": "red"}):
            refused = await client.call_tool("import_leads", arguments)
            assert refused.is_error
            failure = failure_of(refused)
            assert failure["code"] == "bad_input"
            assert failure["remedy"]
