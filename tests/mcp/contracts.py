"""Every server's contract, for tests that walk them all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from orchestrator.options import SERVERS
from servers.common.contract import ResourceSpec, ToolSpec

Tool = ToolSpec[Any, Any]
MODULES = {name: f"servers.{name}.contract" for name in SERVERS}
MODULES["orchestrator"] = "orchestrator.mcp.contract"


def contracts() -> dict[str, ModuleType]:
    """Server name to its contract."""
    return {name: importlib.import_module(module) for name, module in MODULES.items()}


def tools() -> list[tuple[str, Tool]]:
    """Server name and tool, for all servers."""
    return [(name, spec) for name, module in contracts().items() for spec in module.TOOLS]


def named(pair: Any) -> str:
    """For pytest's ids."""
    return f"{pair[0]}.{pair[1].name}"


def resources() -> list[tuple[str, ResourceSpec]]:
    """Server name and resource, for all servers."""
    return [
        (name, found)
        for name, module in contracts().items()
        for found in vars(module).values()
        if isinstance(found, ResourceSpec)
    ]


def objects(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a JSON schema that has properties, with what it is called."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield str(schema.get("title", "?")), schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)
