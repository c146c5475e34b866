"""`swarm migrate`: from SQLite to PostgreSQL. Owns: its arguments and what it tells."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded

if TYPE_CHECKING:
    from orchestrator.migrate import Migrated


def register(app: typer.Typer) -> None:
    """Add `migrate`."""
    app.command("migrate")(_migrate)


def _migrate(
    to: Annotated[
        str,
        typer.Option("--to", help="postgresql://user:password@host:5432/database; - reads stdin."),
    ],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Move the hive's database to PostgreSQL, all or nothing, with nothing running.

    Every row is compared; the old file is set aside. Afterwards SWARM_DATABASE_URL names the new
    one, and other machines can work on it too.
    """
    guarded(as_json, lambda: move(hive, to, as_json=as_json))


def move(path: Path, to: str, *, as_json: bool) -> int:
    """Move it. 0 when it is done."""
    from guardrails.clock import utc_now
    from guardrails.hive import Hive
    from orchestrator.migrate import migrate_to

    url = sys.stdin.readline().strip() if to == "-" else to

    def tell(what: str) -> None:
        if not as_json:
            sys.stderr.write(f"{what} ...\n")

    done = migrate_to(Hive.existing(path), url, utc_now, tell)
    if as_json:
        sys.stdout.write(json.dumps(_document(done)) + "\n")
    else:
        _print(path, done)
    return 0


def _document(done: Migrated) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(done) | {"rows": done.rows, "set": "SWARM_DATABASE_URL"}


def _print(path: Path, done: Migrated) -> None:
    from rich.table import Table

    from orchestrator.report import console

    out = console()
    table = Table(box=None, header_style="bold")
    for column in ("Table", "Rows", "Digest, the same in both"):
        table.add_column(column, justify="right" if column == "Rows" else "left")
    for one in done.tables:
        table.add_row(one.table, f"{one.rows:,}", one.digest[:16])
    out.print(table)
    out.print(f"{done.rows:,} rows are in {done.to}, each compared.")
    out.print(f"The audit holds over it: {done.audit_records:,} records.")
    out.print(f"The old database is {path / done.set_aside}; it takes no writes.")
    out.print("Now put the URL that you gave into .env, before anything starts:")
    out.print("  SWARM_DATABASE_URL=postgresql://...", style="bold")
