"""What `swarm --help` looks like. Owns: the order of the commands, and the headings over them."""

from __future__ import annotations

import typer
from typer.models import CommandInfo, TyperInfo

# Heading to its commands, in the order in which they are needed.
PANELS = {
    "The three days": ("shadow", "chaos", "preflight", "up", "approvals"),
    "Any time": ("status", "monitor", "run", "explain", "replay", "sends", "bank", "inbox"),
    "When something is wrong": (
        "stop", "resume", "failures", "fixes", "brakes", "quarantine", "spend", "audit", "keys",
    ),
    "People": ("forget",),
    "Processes, machines, clients": (
        "queen", "gateway", "workers", "memory", "migrate", "mcp", "sandbox",
    ),
}  # fmt: skip
_PLACES = {
    name: (heading, at)
    for heading, names in PANELS.items()
    for at, name in enumerate(names)
}  # fmt: skip


def arrange(app: typer.Typer) -> None:
    """Put every command under its heading. Raises KeyError: one that has none."""
    headings = list(PANELS)

    def place(info: CommandInfo | TyperInfo) -> tuple[int, int]:
        heading, at = _PLACES[command_name(info)]
        info.rich_help_panel = heading
        return headings.index(heading), at

    app.registered_commands.sort(key=place)
    app.registered_groups.sort(key=place)


def command_name(info: CommandInfo | TyperInfo) -> str:
    """What is typed for a command or a group of them."""
    if isinstance(info.name, str):
        return info.name
    assert info.callback is not None
    return info.callback.__name__
