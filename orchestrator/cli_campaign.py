"""`swarm chaos`: the failure campaign. Owns: its arguments, and what a person or script sees."""

from __future__ import annotations

import asyncio
import sys
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

DEFAULT_LEADS = Path("data/initial_batch.csv")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="chaos")(chaos)


def chaos(
    duration: Annotated[
        str, typer.Option("--duration", help="How long faults last: 90s, 10m, 1h.")
    ] = "1h",
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0, max=1, help="Share of vendor calls that get a fault."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Same seed, same faults.")
    ] = None,
    leads: Annotated[Path, typer.Option("--leads", help="CSV file of leads.")] = DEFAULT_LEADS,
    faults: Annotated[
        str | None,
        typer.Option("--faults", help="Names separated by commas; also http, process."),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Every call site and every fault, once each.")
    ] = False,
    sandbox: SandboxOption = False,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="An empty PostgreSQL database for this campaign."),
    ] = None,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Day 2: inject failures on purpose and prove that the swarm holds.

    First the leads without faults, then the same leads under faults, then without them again.
    Works on a hive of its own under HIVE/chaos/, in shadow mode. Exit 0 only if every question
    is answered as it must be, 1 otherwise. Ctrl-C ends the faults early and still reports.
    """

    def work() -> int:
        from orchestrator.campaign.options import plan_of

        plan = plan_of(
            duration=duration, rate=rate, seed=seed, leads=leads, faults=faults, sweep=sweep,
            sandbox=sandbox, database_url=database_url, hive=hive, config=config,
        )  # fmt: skip
        from orchestrator.campaign.show import conduct

        code, document = asyncio.run(conduct(plan, Environment.read(Path(".env")), quiet=as_json))
        if as_json:
            sys.stdout.write(document + "\n")
        return code

    guarded(as_json, work)
