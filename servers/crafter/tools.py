"""The crafter as an MCP server. Owns: which method stands behind which tool."""

from __future__ import annotations

from typing import Any

from mcp.server.lowlevel import Server

from servers.common.toolserver import Binding, build
from servers.crafter import contract
from servers.crafter.service import CrafterService

INSTRUCTIONS = (
    "Writes one e-mail for one lead from templates and evidence, and judges texts. It never "
    "sends, never invents, and says which claims and templates were passed over and why."
)


def build_server(service: CrafterService) -> Server[Any]:
    """The server over a service."""
    return build(
        contract.SERVER,
        INSTRUCTIONS,
        (
            Binding(contract.WRITE_DRAFT, service.write_draft),
            Binding(contract.CHECK_TEXT, service.check_text),
            Binding(contract.LIST_TEMPLATES, service.list_templates),
        ),
    )
