"""`swarm memory`: the long-term memory. Owns: its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded
from orchestrator.environment import Environment

memory_app = typer.Typer(
    help="The long-term memory in Supabase: its tables, how it stands, sending, exporting.",
    no_args_is_help=True,
)
TwinsOption = Annotated[
    int | None, typer.Option("--twins", help="Port of a running sandbox, for a sandbox hive.")
]


def register(app: typer.Typer) -> None:
    """Add `memory`."""
    app.add_typer(memory_app, name="memory")


@memory_app.command("init")
def _init(
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            help="The project's own database: run the SQL there. Default: SUPABASE_DATABASE_URL, "
            "which no list of processes shows.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the SQL that makes the project's tables, or run it. It may be run again."""
    from orchestrator.memory.commands import init

    found = database_url or Environment.read(Path(".env")).values.get("SUPABASE_DATABASE_URL")
    guarded(as_json, lambda: init(found, as_json=as_json))


@memory_app.command("status")
def _status(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """What waits and since when, what was rejected; exit 1 when something is amiss."""
    from orchestrator.memory.commands import status

    guarded(as_json, lambda: status(hive, as_json=as_json))


@memory_app.command("sync")
def _sync(
    hive: HiveOption = DEFAULT_HIVE,
    wait_s: Annotated[
        float, typer.Option("--wait", min=1, help="Seconds after which it is left at that.")
    ] = 600.0,
    twins: TwinsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send what waits now, what was set aside included; exit 1 when something is left."""
    from orchestrator.memory.commands import sync

    environment = Environment.read(Path(".env"))
    guarded(as_json, lambda: sync(hive, environment, wait_s, twins, as_json=as_json))


@memory_app.command("export")
def _export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file; default: stdout.")
    ] = None,
    hive: HiveOption = DEFAULT_HIVE,
    twins: TwinsOption = None,
) -> None:
    """Everything that is remembered, as JSON lines: {"table": ..., "row": ...}."""
    from orchestrator.memory.commands import export

    environment = Environment.read(Path(".env"))
    guarded(as_json=False, work=lambda: export(hive, environment, output, twins))
