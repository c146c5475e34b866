"""`swarm mcp`: the servers for AI clients. Owns: its arguments, and becoming a server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    SandboxOption,
    guarded,
)
from orchestrator.cli_mcp_config import register as register_config
from orchestrator.cli_mcp_tokens import register as register_tokens
from orchestrator.cli_run import TwinsOption

_ABOUT = {
    "orchestrator": "The whole swarm: leads in, what was decided and why, approvals, the stop.",
    "hunter": "Read lead files and RB2B visitors into normalised leads.",
    "enricher": "Add facts and news about a lead and its company.",
    "crafter": "Write drafts from templates and facts; check texts.",
    "guardrails": "Decide, explain and replay; the reasoning bank; permits.",
    "ghl": "GoHighLevel: look up, and write with a permit.",
    "instantly": "Instantly: look up, and write with a permit.",
}
_HTTP = "HTTP"


def register(app: typer.Typer) -> None:
    """Add `mcp`: a command for each server, `token` and `config`."""
    mcp = typer.Typer(help="The servers, for AI clients: over stdio or HTTP.", no_args_is_help=True)
    for name, about in _ABOUT.items():
        mcp.command(name, help=f"{about} Over stdio until stdin closes; see --http.")(_runs(name))
    register_config(mcp)
    register_tokens(mcp)
    app.add_typer(mcp, name="mcp")


def _runs(name: str) -> Callable[..., None]:
    def become(
        sandbox: SandboxOption = False,
        hive: HiveOption = DEFAULT_HIVE,
        config: ConfigOption = None,
        project: Annotated[
            Path, typer.Option("--project", help="Folder with .env; other paths are from there.")
        ] = Path(),
        twins: TwinsOption = None,
        roots: Annotated[
            list[Path] | None,
            typer.Option("--root", help="hunter: folder of lead files. Default: the project."),
        ] = None,
        http: Annotated[
            bool, typer.Option("--http", help="Over HTTP, at /mcp.", rich_help_panel=_HTTP)
        ] = False,
        host: Annotated[
            str, typer.Option("--host", help="Address to listen on.", rich_help_panel=_HTTP)
        ] = "127.0.0.1",
        port: Annotated[
            int,
            typer.Option("--port", min=0, max=65535, help="0: free.", rich_help_panel=_HTTP),
        ] = 0,
        hosts: Annotated[
            list[str] | None,
            typer.Option(
                "--allow-host",
                metavar="NAME[:PORT]",
                help="A name clients write, besides loopback's; port * is any.",
                rich_help_panel=_HTTP,
            ),
        ] = None,
        origins: Annotated[
            list[str] | None,
            typer.Option(
                "--allow-origin",
                metavar="ORIGIN",
                help="Of pages in a browser, besides loopback's.",
                rich_help_panel=_HTTP,
            ),
        ] = None,
    ) -> None:
        from orchestrator.environment import Environment
        from orchestrator.mcp_spawn import Asked
        from orchestrator.mcp_spawn import become as become_server

        spoken = ["--http", "--host", host, "--port", str(port)] if http else []
        for option, given in (("--allow-host", hosts), ("--allow-origin", origins)):
            for one in given or () if http else ():
                spoken += [option, one]

        def work() -> int:
            os.chdir(project)
            folders = tuple(one.absolute() for one in roots or [Path()])
            asked = Asked(name, hive, sandbox, config, twins, folders, tuple(spoken))
            become_server(asked, Environment.read(Path(".env")))

        guarded(False, work)

    return become
