"""`swarm gateway`: HTTP in. Owns: its arguments, and handing over its own variables alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator import cli_inbox
from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
)


def register(app: typer.Typer) -> None:
    """Add `gateway`, and `inbox` for what it takes in."""
    app.command("gateway")(_gateway)
    cli_inbox.register(app)


def _gateway(
    sandbox: SandboxOption = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Instead of gateway.host in production.json.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Instead of gateway.port; 0: a free one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take in webhooks, Slack's clicks and unsubscribe links, whether or not the queen is up.

    Runs until Ctrl-C or SIGTERM, and then answers what is under way. See docs/webhooks.md.
    """
    from orchestrator.environment import Environment
    from orchestrator.gateway.ground import Options
    from orchestrator.gateway.spawn import command, variables

    def become() -> int:
        options = Options(hive, sandbox, config, host, port)
        # This process has read every key there is: the gateway starts without them.
        environment = variables(Environment.read(Path(".env")))
        os.execve(sys.executable, command(options, as_json=as_json), environment)  # noqa: S606

    guarded(as_json, become)
