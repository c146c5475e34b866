"""`swarm monitor`: the health monitor. Owns: its arguments. `scripts/health_monitor.py` is it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
)
from orchestrator.environment import Environment


def register(app: typer.Typer) -> None:
    """Add `monitor`."""
    app.command("monitor")(monitor)


def monitor(
    once: Annotated[bool, typer.Option("--once", help="Look once; exit 1 if it is ill.")] = False,
    interval: Annotated[
        float | None, typer.Option("--interval", min=0.5, max=3600, help="Seconds between rounds.")
    ] = None,
    retire: Annotated[
        str | None, typer.Option("--retire", help="Expect this process no more, e.g. queen@host.")
    ] = None,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    sandbox: SandboxOption = False,
    as_json: JsonOption = False,
) -> None:
    """Watch the swarm and wake somebody when it is ill; runs until it is told to end.

    Tells Slack (bot, then webhook), and alerts.jsonl in the hive in any case. Calls HEARTBEAT_URL
    each round while nothing critical is open. See docs/operations.md.
    """
    from orchestrator.health.commands import MonitorArguments, retire_process, run_monitor

    environment = Environment.read(Path(".env"))
    if retire is not None:
        name = retire
        guarded(as_json, lambda: retire_process(name, hive, environment, as_json=as_json))
    asked = MonitorArguments(hive, config, once, interval, sandbox, as_json)
    guarded(as_json, lambda: run_monitor(asked, environment))
