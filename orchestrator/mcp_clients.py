"""The configuration of AI clients. Owns: what each client wants to be told, and where it looks.

An entry runs `swarm mcp NAME --project FOLDER`, which reads `.env` itself: no key and no token is
ever in a client's file. Over HTTP the token is a reference that the client fills in. The forms are
those of the clients' own documentation, read in November 2026.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from guardrails.errors import BadInput

TOKEN_VARIABLE = "SWARM_MCP_TOKEN"  # noqa: S105 - its name
_INPUT = "swarm-mcp-token"
_PREFIX = "swarm-"


class Client(StrEnum):
    """A client whose form is known."""

    CLAUDE_DESKTOP = "claude-desktop"  # one file for the user; local servers only
    CLAUDE_CODE = "claude-code"  # .mcp.json in the project; fills in ${NAME}
    CURSOR = "cursor"  # .cursor/mcp.json in the project; fills in ${env:NAME}
    VSCODE = "vscode"  # .vscode/mcp.json in the project; asks for inputs


# What is left to do in the client once its file is written.
NEXT = {
    Client.CLAUDE_DESKTOP: "Restart Claude Desktop; the servers stand under its connectors.",
    Client.CLAUDE_CODE: "Start `claude` in that folder: it asks once whether you trust them. "
    "`claude mcp list` shows them.",
    Client.CURSOR: "Switch them on in Cursor's settings, under MCP.",
    Client.VSCODE: "Open that file in VS Code and start them from there.",
}


@dataclass(frozen=True)
class Launch:
    """How a client starts a server.

    Args:
        program: the `swarm` of this installation.
        options: further ones of `swarm mcp NAME`.
    """

    program: Path
    project: Path
    options: tuple[str, ...] = ()

    def arguments(self, name: str) -> list[str]:
        """Of `program`."""
        return ["mcp", name, "--project", str(self.project), *self.options]


def entries(
    client: Client, names: Sequence[str], launch: Launch, urls: Mapping[str, str]
) -> dict[str, Any]:
    """What is to stand in the client's file, as the whole of one that was empty.

    Args:
        urls: servers that run elsewhere, over HTTP; they are not launched.

    Raises:
        BadInput: this client's file takes no such server.
    """
    servers: dict[str, Any] = {}
    for name in names:
        servers[_PREFIX + name] = (
            _remote(client, urls[name]) if name in urls else _local(client, name, launch)
        )
    if client is not Client.VSCODE:
        return {"mcpServers": servers}
    return {"servers": servers} | ({"inputs": [_asked_for()]} if urls else {})


def file_of(client: Client, project: Path, home: Path, environ: Mapping[str, str]) -> Path:
    """Where the client looks.

    Args:
        project: for the clients that look in the folder they work in.
    """
    if client is Client.CLAUDE_CODE:
        return project / ".mcp.json"
    if client is Client.CURSOR:
        return project / ".cursor" / "mcp.json"
    if client is Client.VSCODE:
        return project / ".vscode" / "mcp.json"
    if sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        folder = Path(environ.get("APPDATA", home / "AppData" / "Roaming"))
    else:
        folder = Path(environ.get("XDG_CONFIG_HOME", home / ".config"))
    return folder / "Claude" / "claude_desktop_config.json"


def _local(client: Client, name: str, launch: Launch) -> dict[str, Any]:
    entry = {"command": str(launch.program), "args": launch.arguments(name)}
    return entry if client is Client.CLAUDE_DESKTOP else {"type": "stdio", **entry}


def _remote(client: Client, url: str) -> dict[str, Any]:
    if client is Client.CLAUDE_DESKTOP:
        raise BadInput(
            "Claude Desktop's file takes no servers over HTTP",
            remedy="Leave --url out: it starts the server itself, over stdio.",
        )
    reference = {
        Client.CLAUDE_CODE: f"${{{TOKEN_VARIABLE}}}",
        Client.CURSOR: f"${{env:{TOKEN_VARIABLE}}}",
        Client.VSCODE: f"${{input:{_INPUT}}}",
    }[client]
    entry = {"url": url, "headers": {"Authorization": f"Bearer {reference}"}}
    return entry if client is Client.CURSOR else {"type": "http", **entry}


def _asked_for() -> dict[str, Any]:
    return {
        "type": "promptString",
        "id": _INPUT,
        "description": "Token of the swarm's servers (swarm mcp token create)",
        "password": True,
    }
