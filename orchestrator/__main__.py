"""Start the Orchestrator-MCP. `python -P -m orchestrator`."""

from __future__ import annotations

from orchestrator.mcp.server import open_server
from servers.common.main import run

if __name__ == "__main__":
    run(open_server)
