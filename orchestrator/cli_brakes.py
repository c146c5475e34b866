"""`swarm brakes`: breakers, limits and retry budgets. Owns: its arguments and table.

A reset is on the audit record, with its reason, before it is done.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded

if TYPE_CHECKING:
    from rich.table import Table

    from guardrails.brakes.brake_report import BreakerEvent, VendorRow

_STYLE = {"closed": "green", "open": "bold red", "half_open": "yellow"}


def register(app: typer.Typer) -> None:
    """Add `brakes` and `brakes reset`."""
    brakes = typer.Typer(help="Breakers, rate limits and retry budgets of every vendor.")
    brakes.callback(invoke_without_command=True)(_show)
    brakes.command("reset")(_reset)
    app.add_typer(brakes, name="brakes")


def _show(
    context: typer.Context, hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False
) -> None:
    """Each vendor's brakes now. Exit 1 when a breaker is not closed or a state is damaged."""
    if context.invoked_subcommand is None:
        guarded(as_json, lambda: show_brakes(hive, as_json=as_json))


def _reset(
    vendor: Annotated[str, typer.Argument(help="A vendor, e.g. ghl.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept on the record.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Close a vendor's breakers and forget its counts: for a damaged state, or after a repair."""
    guarded(as_json, lambda: reset_brakes(vendor, reason, hive, as_json=as_json))


def show_brakes(hive: Path, *, as_json: bool) -> int:
    """Print every vendor. 1 when something is not as it should be."""
    from guardrails.brakes.brake_report import events, vendors
    from guardrails.clock import utc_now
    from orchestrator.commands import opened

    with opened(hive) as (_, store), store.read() as conn:
        rows, changes = vendors(conn, utc_now), events(conn)
    if as_json:
        found = {"vendors": [asdict(row) for row in rows], "events": [asdict(e) for e in changes]}
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _tell(rows, changes)
    troubled = any(
        row.damaged or any(one.state != "closed" for one in row.breakers) for row in rows
    )
    return 1 if troubled else 0


def reset_brakes(vendor: str, reason: str, hive: Path, *, as_json: bool) -> int:
    """Record, then reset."""
    import getpass

    from guardrails.audit import AuditEntry, AuditLog
    from guardrails.brakes.brake_report import reset, vendors
    from guardrails.clock import utc_now
    from guardrails.errors import BadInput, NotFound
    from orchestrator.commands import opened

    if not reason.strip():
        raise BadInput("a reason is needed", remedy="Say why the state may be forgotten.")
    with opened(hive) as (found, store):
        with store.read() as conn:
            if vendor not in {row.vendor for row in vendors(conn, utc_now)}:
                raise NotFound(f"no brakes of {vendor!r}", remedy="`swarm brakes` lists them.")
        audit = AuditLog(found, store, utc_now)
        body = {"brakes_reset": vendor, "reason": reason.strip()}
        entry = AuditEntry(kind="config_change", actor=f"person:{getpass.getuser()}", body=body)
        try:
            (ref,) = asyncio.run(audit.record([entry]))
        finally:
            audit.close()
        with store.transaction() as conn:
            reset(conn, vendor, utc_now)
    if as_json:
        sys.stdout.write(json.dumps({"vendor": vendor, "audit_id": ref.audit_id}) + "\n")
    else:
        from orchestrator.report import console

        console().print(f"{vendor}: brakes are as new (audit {ref.audit_id})")
    return 0


def _tell(rows: tuple[VendorRow, ...], changes: tuple[BreakerEvent, ...]) -> None:
    from orchestrator.report import console

    out = console()
    out.print(_table(rows))
    for change in changes[:10]:
        where = f"{change.vendor} {change.operation_class}"
        out.print(f"{change.at[:19]}Z  {where}: {change.state} ({change.reason})")


def _table(rows: tuple[VendorRow, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Vendor", "Breakers", "Calls today", "Told to wait", "Retries in reserve"):
        table.add_column(name, overflow="fold")
    for row in rows:
        shown = Text("DAMAGED: every call is refused", style="bold red") if row.damaged else Text()
        for at, one in enumerate(row.breakers):
            left = f" {one.seconds_left:g} s" if one.seconds_left else ""
            shown.append(f"{', ' if at else ''}{one.operation_class} ")
            shown.append(f"{one.state}{left}", style=_STYLE[one.state])
        retries = "" if row.retries_left is None else f"{row.retries_left:.1f}"
        silence = f"{row.paused_s:g} s" if row.paused_s else ""
        table.add_row(row.vendor, shown, str(row.used_today), silence, retries)
    return table
