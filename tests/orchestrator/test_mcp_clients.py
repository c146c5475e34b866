"""What AI clients are told: each its own form, and never a secret."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guardrails.errors import BadInput
from orchestrator.cli import app
from orchestrator.mcp_clients import NEXT, Client, Launch, entries, file_of

PROJECT = Path("/srv/swarm")
LAUNCH = Launch(Path("/srv/swarm/.venv/bin/swarm"), PROJECT, ("--hive", "/srv/hive"))
ARGUMENTS = ["mcp", "hunter", "--project", "/srv/swarm", "--hive", "/srv/hive"]
URL = "https://mcp.example/mcp"


def test_claude_desktop_starts_the_server() -> None:
    assert entries(Client.CLAUDE_DESKTOP, ["hunter"], LAUNCH, {}) == {
        "mcpServers": {"swarm-hunter": {"command": str(LAUNCH.program), "args": ARGUMENTS}}
    }


@pytest.mark.parametrize("client", [Client.CLAUDE_CODE, Client.CURSOR])
def test_claude_code_and_cursor_start_it_too(client: Client) -> None:
    entry = {"type": "stdio", "command": str(LAUNCH.program), "args": ARGUMENTS}
    assert entries(client, ["hunter"], LAUNCH, {}) == {"mcpServers": {"swarm-hunter": entry}}


def test_vscode_has_a_section_of_another_name() -> None:
    entry = {"type": "stdio", "command": str(LAUNCH.program), "args": ARGUMENTS}
    assert entries(Client.VSCODE, ["hunter"], LAUNCH, {}) == {"servers": {"swarm-hunter": entry}}


@pytest.mark.parametrize(
    ("client", "reference", "kind"),
    [
        (Client.CLAUDE_CODE, "${SWARM_MCP_TOKEN}", "http"),
        (Client.CURSOR, "${env:SWARM_MCP_TOKEN}", None),
        (Client.VSCODE, "${input:swarm-mcp-token}", "http"),
    ],
)
def test_over_http_the_token_is_a_reference_that_the_client_fills_in(
    client: Client, reference: str, kind: str | None
) -> None:
    found = entries(client, ["hunter", "ghl"], LAUNCH, {"hunter": URL})
    servers = found["servers" if client is Client.VSCODE else "mcpServers"]
    entry = servers["swarm-hunter"]
    assert entry["url"] == URL
    assert entry["headers"] == {"Authorization": f"Bearer {reference}"}
    assert entry.get("type") == kind
    assert "command" in servers["swarm-ghl"]
    asked = [(one["id"], one["password"]) for one in found.get("inputs", [])]
    assert asked == ([("swarm-mcp-token", True)] if client is Client.VSCODE else [])


def test_claude_desktop_takes_none_over_http() -> None:
    with pytest.raises(BadInput, match="Claude Desktop"):
        entries(Client.CLAUDE_DESKTOP, ["hunter"], LAUNCH, {"hunter": URL})


def test_nothing_of_the_environment_is_written() -> None:
    for client in Client:
        assert '"env"' not in json.dumps(entries(client, ["ghl", "hunter"], LAUNCH, {}))


def test_each_looks_in_its_own_place() -> None:
    home = Path("/home/kim")
    here = {client: file_of(client, PROJECT, home, {}) for client in Client}
    assert here[Client.CLAUDE_CODE] == PROJECT / ".mcp.json"
    assert here[Client.CURSOR] == PROJECT / ".cursor" / "mcp.json"
    assert here[Client.VSCODE] == PROJECT / ".vscode" / "mcp.json"
    desktop = here[Client.CLAUDE_DESKTOP]
    assert desktop.parts[-2:] == ("Claude", "claude_desktop_config.json")
    if sys.platform == "linux":
        moved = file_of(Client.CLAUDE_DESKTOP, PROJECT, home, {"XDG_CONFIG_HOME": "/cfg"})
        assert moved == Path("/cfg/Claude/claude_desktop_config.json")
        assert desktop == home / ".config" / "Claude" / "claude_desktop_config.json"


def test_after_installing_somebody_is_told_what_is_left_to_do(tmp_path: Path) -> None:
    given = ["mcp", "config", "claude-code", "--install", "--project", str(tmp_path)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0
    assert "claude mcp list" in done.stdout
    assert set(NEXT) == set(Client)
    assert "swarm-ghl" in json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]


def test_a_project_that_is_not_there_gets_into_no_file(tmp_path: Path) -> None:
    given = ["mcp", "config", "cursor", "--install", "--in", str(tmp_path)]
    done = CliRunner().invoke(app, [*given, "--project", str(tmp_path / "none")])
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "no such folder" in done.stderr
