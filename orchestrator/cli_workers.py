"""`swarm workers`: the queens of one database. Owns: its arguments."""

from __future__ import annotations

import typer

from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded


def register(app: typer.Typer) -> None:
    """Add `workers`."""
    app.command("workers")(_workers)


def _workers(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """Who works on this database: mode, version, lease, what is in hand, what the dead left.

    One on SQLite; any number on PostgreSQL (docs/fleet.md). Exit 1 when somebody is silent or
    work waits to be taken over.
    """
    from orchestrator.fleet.show import show_workers

    guarded(as_json, lambda: show_workers(hive, as_json=as_json))
