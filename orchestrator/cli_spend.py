"""`swarm spend`: what was spent, and settling what nobody knows. Owns: its arguments and tables.

A reconciliation is a person's word: it is on the audit record, with its reason, before it changes
what is held (P2). Refuses one without a reason.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    guarded,
)

if TYPE_CHECKING:
    from rich.table import Table

    from guardrails.brakes.spend import Reconciled, SpendBook, SpendReport
    from guardrails.hive import Hive
    from guardrails.store import Store

_BAR = 10
_STATUSES = ("settled", "reserved", "unknown", "released")


def register(app: typer.Typer) -> None:
    """Add `spend` and `spend reconcile`."""
    spend = typer.Typer(help="Money: caps, what is held of them, what awaits a person.")
    spend.callback(invoke_without_command=True)(_show)
    spend.command("reconcile")(_reconcile)
    app.add_typer(spend, name="spend")


def _show(
    context: typer.Context,
    day: Annotated[
        str | None, typer.Option("--day", help="YYYY-MM-DD in the account's time zone.")
    ] = None,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is held of each cap today. Exit 1 when a cap is reached or an entry awaits a person."""
    if context.invoked_subcommand is None:
        guarded(as_json, lambda: show_spend(day, hive, config, as_json=as_json))


def _reconcile(
    entry: Annotated[str, typer.Argument(help="Entry id, as `swarm spend` lists it.")],
    charged: Annotated[
        bool, typer.Option("--charged/--not-charged", help="What the vendor's bill says.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="How you know; kept on the record.")],
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle an entry by hand: look it up in the vendor's usage page first."""
    guarded(
        as_json,
        lambda: reconcile_entry(entry, hive, config, charged=charged, note=reason, as_json=as_json),
    )


def show_spend(day: str | None, hive: Path, config: Path | None, *, as_json: bool) -> int:
    """The report of one day. 1 when something awaits a person."""
    with _opened(hive, config) as (_, store, book), store.read() as conn:
        report = book.report(conn, day)
    if as_json:
        _print(report.model_dump(mode="json"))
    else:
        _tell(report)
    reached = any(
        scope.cap_micros and scope.held_micros >= scope.cap_micros for scope in report.scopes
    )
    return 1 if report.open_count or reached else 0


def reconcile_entry(
    entry: str, hive: Path, config: Path | None, *, charged: bool, note: str, as_json: bool
) -> int:
    """Record a person's word, then let it count."""
    from guardrails.addresses import without_addresses
    from guardrails.audit import AuditLog
    from guardrails.clock import utc_now

    said = without_addresses(note)
    with _opened(hive, config) as (opened, store, book):
        with store.transaction() as conn:
            judged = book.judge(conn, entry, charged, said)
        audit_id = None
        if judged.changed:
            audit = AuditLog(opened, store, utc_now)
            audit_id = asyncio.run(_on_record(audit, judged, said))
            with store.transaction() as conn:
                judged = book.reconcile(conn, entry, charged, said)
    if as_json:
        _print(vars(judged) | {"audit_id": audit_id})
    else:
        _tell_reconciled(judged, audit_id)
    return 0


async def _on_record(audit: Any, judged: Reconciled, said: str) -> str:
    from guardrails.audit import AuditEntry

    body = vars(judged) | {"reason": said}
    # Not under the lead's id: `swarm explain LEAD` tells the lead's decision.
    made = AuditEntry("spend_reconciled", "operator", body)
    (ref,) = await audit.record([made])
    return str(ref.audit_id)


@contextmanager
def _opened(hive: Path, config: Path | None) -> Iterator[tuple[Hive, Store, SpendBook]]:
    """The hive as it is; never created by looking."""
    from guardrails.brakes.spend import SpendBook
    from guardrails.clock import utc_now
    from guardrails.config import load_config
    from guardrails.hive import Hive
    from guardrails.store import open_store
    from orchestrator.environment import Environment

    book = SpendBook(load_config(config).production.spend, utc_now)
    opened = Hive.existing(hive)
    store = open_store(opened, Environment.read(Path(".env")).values.get("SWARM_DATABASE_URL"))
    try:
        yield opened, store, book
    finally:
        store.close()


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def _tell(report: SpendReport) -> None:
    from guardrails.brakes.spend import dollars
    from orchestrator.report import console

    out = console()
    out.print(_caps_table(report))
    out.print("The caps stand in config/production.json, under spend.")
    for alert in report.alerts:
        name = "the total" if alert.scope == "*" else alert.scope
        out.print(
            f"alert: {name} reached {alert.percent} % of {dollars(alert.cap_micros)} at "
            f"{alert.at[:19]}Z",
            style="yellow",
        )
    if report.open_count:
        out.print(_open_table(report))
        out.print(
            "unknown: nobody can tell whether it was charged. died: its process ended before "
            "saying.\nLook each one up at the vendor, then:\n"
            "  swarm spend reconcile ENTRY --charged|--not-charged --reason TEXT",
        )


def _caps_table(report: SpendReport) -> Table:
    from rich.table import Table

    from guardrails.brakes.spend import dollars

    title = f"Spending on {report.day} ({report.time_zone})"
    table = Table(title=title, box=None, header_style="bold")
    for name in ("", "Held", "Cap", "Of the cap"):
        table.add_column(name, justify="right" if name in ("Held", "Cap") else "left", no_wrap=True)
    for name in _STATUSES:
        table.add_column(name.capitalize(), justify="right")
    for scope in report.scopes:
        held, cap = dollars(scope.held_micros), scope.cap_micros
        counts = (str(scope.calls.get(name, 0)) for name in _STATUSES)  # type: ignore[call-overload]
        table.add_row(
            "total" if scope.scope == "*" else scope.scope,
            held,
            "the total's" if cap is None else dollars(cap),
            _bar(scope.percent),
            *counts,
        )
    return table


def _bar(percent: float | None) -> str:
    if percent is None:
        return ""
    full = min(_BAR, int(percent * _BAR / 100))
    colour = "red" if percent >= 100 else "yellow" if percent >= 80 else "green"
    return f"[{colour}]{'█' * full}[/][dim]{'░' * (_BAR - full)}[/] {percent:.1f} %"


def _open_table(report: SpendReport) -> Table:
    from rich.table import Table

    from guardrails.brakes.spend import dollars

    shown = len(report.open_entries)
    more = f" (the oldest {shown})" if shown < report.open_count else ""
    title = f"To be reconciled: {report.open_count}{more}"
    table = Table(title=title, box=None, header_style="bold", pad_edge=False)
    for name in ("Entry", "Why", "Day", "Vendor", "Held", "Lead"):
        table.add_column(name, no_wrap=True)
    for one in report.open_entries:
        why = "unknown" if one.why == "unknown" else "died"
        row = (one.entry_id, why, one.day, one.vendor, dollars(one.micros), one.lead_id or "")
        table.add_row(*row)
    return table


def _tell_reconciled(judged: Reconciled, audit_id: str | None) -> None:
    from guardrails.brakes.spend import dollars
    from orchestrator.report import console

    what = f"{judged.entry_id}: {judged.vendor}, {dollars(judged.micros)} of {judged.day}"
    told = (
        f"{what}: {judged.before} -> {judged.after}; audit {audit_id}"
        if judged.changed
        else f"{what}: was {judged.after} already; nothing changed"
    )
    console().print(told)
