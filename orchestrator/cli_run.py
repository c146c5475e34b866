"""`swarm run`: a leads file in the configured mode. Owns: its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guardrails.model import Mode
from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
)

TwinsOption = Annotated[
    int | None,
    typer.Option(
        "--twins", min=1, max=65535, metavar="PORT",
        help="With --sandbox: the twins that `swarm sandbox --port PORT` runs, which outlive this.",
    ),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add `run`."""
    app.command("run")(_run)


def _run(
    sandbox: SandboxOption = False,
    leads: Annotated[Path, typer.Option("--leads", help="CSV file of leads.")] = Path(
        "data/initial_batch.csv"
    ),
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="Can only lower what production.json says.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first N rows.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, max=256, help="Leads in flight.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew even if a run is unfinished.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until what must wait has gone out as well.")
    ] = False,
    twins: TwinsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a leads file in the configured mode: decide about each lead, send what may go now.

    What may not go yet (sending window, caps, spacing) waits: the same command goes on with it.
    Exit 1 when a fate is unknown, a send failed or a lead could not be decided.
    """
    from orchestrator.begun import begin_early

    begun = begin_early(hive)  # it imports while we do
    from orchestrator.environment import Environment
    from orchestrator.run_command import RunArguments, run_leads

    asked = RunArguments(
        sandbox=sandbox,
        leads=leads,
        hive=hive,
        config=config,
        mode=mode,
        limit=limit,
        concurrency=concurrency,
        fresh=fresh,
        wait=wait,
        twins_port=twins,
        begun=begun,
    )
    guarded(as_json, lambda: run_leads(asked, Environment.read(Path(".env")), as_json=as_json))
