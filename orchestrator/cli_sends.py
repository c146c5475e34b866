"""`swarm sends`: the send ledger. Owns: its arguments and tables.

What was done at the vendors, what nobody can tell, and a person's word on it. A resolution is on
the audit record, with its reason, before it counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
)
from orchestrator.cli_run import TwinsOption

if TYPE_CHECKING:
    from guardrails.ledger import LedgerRow
    from orchestrator.layout import Rows

_STYLE = {"sent": "green", "failed": "red", "unknown": "bold red"}
StatusOption = Annotated[
    str | None, typer.Option("--status", help="pending claimed dispatching sent failed unknown")
]
KeyArgument = Annotated[str, typer.Argument(help="The write's key, as `swarm sends` shows it.")]


def register(app: typer.Typer) -> None:
    """Add `sends` and its commands."""
    sends = typer.Typer(help="What was written at the vendors, each once: the send ledger.")
    sends.callback(invoke_without_command=True)(_default)
    sends.command("list")(_list)
    sends.command("unknown")(_unknown)
    sends.command("resolve")(_resolve)
    sends.command("reconcile")(_reconcile)
    app.add_typer(sends, name="sends")


def _default(
    context: typer.Context,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The latest writes. Exit 1 when the fate of one is unknown."""
    if context.invoked_subcommand is None:
        guarded(as_json, lambda: show_sends(hive, config, None, None, 50, as_json=as_json))


def _list(
    status: StatusOption = None,
    run: Annotated[str | None, typer.Option("--run", help="Only of this run.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 50,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes, the latest first. Exit 1 when the fate of one is unknown."""
    guarded(as_json, lambda: show_sends(hive, config, status, run, limit, as_json=as_json))


def _unknown(
    hive: HiveOption = DEFAULT_HIVE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Writes that may have happened, or not. Exit 1 when there are any."""
    guarded(as_json, lambda: show_unknown(hive, config, as_json=as_json))


def _resolve(
    key: KeyArgument,
    happened: Annotated[
        bool, typer.Option("--happened/--did-not-happen", help="What you saw at the vendor.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why you say so; kept on the record.")],
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what became of a write whose fate is unknown. It is never done again by that."""
    guarded(as_json, lambda: resolve_send(key, happened, reason, hive, config, as_json=as_json))


def _reconcile(
    key: Annotated[str | None, typer.Argument(help="Only this one; default: all.")] = None,
    sandbox: SandboxOption = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    twins: TwinsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the vendors what became of them. Exit 1 when some are still unknown."""
    from orchestrator.reconcile import reconcile_sends

    guarded(as_json, lambda: reconcile_sends(key, sandbox, hive, config, twins, as_json=as_json))


def show_sends(
    hive: Path,
    config: Path | None,
    status: str | None,
    run_id: str | None,
    limit: int,
    *,
    as_json: bool,
) -> int:
    """Print writes. 1 when one is of unknown fate."""
    from guardrails.errors import BadInput
    from guardrails.ledger import Status
    from orchestrator.sends import listed, opened_ledger

    try:
        wanted = Status(status) if status is not None else None
    except ValueError as error:
        known = ", ".join(one.value for one in Status)
        raise BadInput(f"no status {status!r}", remedy=f"One of {known}.") from error
    with opened_ledger(hive, config) as (_, store, ledger, _clock), store.read() as conn:
        rows = listed(conn, status=wanted, run_id=run_id, limit=limit)
        unknown = len(ledger.unknown(conn))
    _show(rows, {"unknown": unknown}, as_json=as_json)
    return 1 if unknown else 0


def show_unknown(hive: Path, config: Path | None, *, as_json: bool) -> int:
    """Print what may have happened. 1 when there is any."""
    from orchestrator.sends import opened_ledger

    with opened_ledger(hive, config) as (_, store, ledger, _clock), store.read() as conn:
        rows = ledger.unknown(conn)
    _show(rows, {"unknown": len(rows)}, as_json=as_json)
    return 1 if rows else 0


def resolve_send(
    key: str, happened: bool, reason: str, hive: Path, config: Path | None, *, as_json: bool
) -> int:
    """Record, then resolve."""
    import getpass

    from guardrails.audit import AuditLog
    from orchestrator.report import console
    from orchestrator.sends import opened_ledger, resolve, row_document

    with opened_ledger(hive, config) as (found, store, ledger, clock):
        audit = AuditLog(found, store, clock)
        try:
            actor = f"person:{getpass.getuser()}"
            done = asyncio.run(
                resolve(
                    store, ledger, audit, clock, key, happened=happened, reason=reason, actor=actor
                )
            )
        finally:
            audit.close()
    if as_json:
        document = row_document(done.row) | {"audit_id": done.audit.audit_id}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        said = f"{key}: {done.row.status.value} (audit {done.audit.audit_id})"
        console().print(said)
    return 0


def _show(rows: Sequence[LedgerRow], more: dict[str, Any], *, as_json: bool) -> None:
    from orchestrator.report import console
    from orchestrator.sends import row_document

    if as_json:
        found = {"writes": [row_document(row) for row in rows]} | more
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        return
    out = console()
    out.print(_table(rows) if rows else "Nothing of that kind was written, or tried.")
    if more["unknown"]:
        out.print(f"{more['unknown']} of unknown fate: `swarm sends reconcile` asks the vendors.")


def _table(rows: Sequence[LedgerRow]) -> Rows:
    from rich.text import Text

    from orchestrator.layout import Rows

    table = Rows(("When (UTC)", "Status", "Vendor", "What"), "Key")
    for row in rows:
        status = row.status.value
        when = row.dispatched_at or row.claimed_at or row.created_at
        table.add(
            f"{when:%Y-%m-%d %H:%M:%S}",
            Text(status, style=_STYLE.get(status, "yellow")),
            row.vendor,
            row.action.value.replace("_", " "),
            told=f"{row.key}  ({row.note})" if row.note else row.key,
        )
    return table
