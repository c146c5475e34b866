"""The queen knows the servers by their contracts alone, however many modules they grow."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import orchestrator

ROOT = Path(orchestrator.__file__).parent
ALLOWED = re.compile(r"servers\.(?:[a-z]+\.contract[a-z_]*|common\.(?:fault_plan|listening))\Z")
# The orchestrator and its memory are MCP servers too: their packages are built as servers are.
AS_A_SERVER = re.compile(r"servers\.common\.[a-z_]+\Z")


def imported(tree: ast.Module) -> list[str]:
    """Every module of `servers` that a file imports, wherever in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name.startswith("servers")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("servers"):
            module = node.module or ""
            package = module.count(".") == 1
            found += [f"{module}.{each.name}" for each in node.names] if package else [module]
    return found


def test_the_queen_imports_contracts_and_nothing_else_of_a_server() -> None:
    seen = {
        (file.relative_to(ROOT).as_posix(), module)
        for file in ROOT.rglob("*.py")
        for module in imported(ast.parse(file.read_text()))
    }
    assert {module for _, module in seen} >= {"servers.ghl.contract"}
    assert [pair for pair in sorted(seen) if not ALLOWED.match(pair[1]) and not built(*pair)] == []


def built(file: str, module: str) -> bool:
    """Whether it is part of the orchestrator's own servers, and of what all servers share."""
    of_it = file == "__main__.py" or file.startswith(("mcp/", "memory/"))
    return of_it and AS_A_SERVER.match(module) is not None
