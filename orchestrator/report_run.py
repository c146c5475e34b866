"""What became of the e-mails of a run. Owns: the document and the table of `swarm run`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text
from sqlalchemy import Connection, func, select

from guardrails.clock import iso
from guardrails.config.models import SendingLimits
from guardrails.ledger import HELD, Status
from guardrails.store.write_tables import writes
from orchestrator.deliveries import Delivery, DeliveryState, rows_of
from orchestrator.layout import Rows
from orchestrator.report import Json

_STYLE = {
    DeliveryState.SENT: "green",
    DeliveryState.DEFERRED: "yellow",
    DeliveryState.QUEUED: "yellow",
    DeliveryState.REFUSED: "magenta",
    DeliveryState.FAILED: "bold red",
    DeliveryState.UNKNOWN: "bold red",
}
_SHOWN = 50


def deliveries_document(
    conn: Connection, run_id: str, limits: SendingLimits, now: datetime
) -> Json:
    """Every lead on its way out, and how much of the caps is held."""
    rows = rows_of(conn, run_id)
    waiting = [row.not_before for row in rows if row.state is DeliveryState.DEFERRED]
    moments = [moment for moment in waiting if moment is not None]
    return {
        "by_state": dict(Counter(row.state.value for row in rows)),
        "by_channel": {
            channel: dict(Counter(row.state.value for row in rows if row.channel == channel))
            for channel in sorted({row.channel for row in rows if row.channel})
        },
        "next_at": iso(min(moments)) if moments else None,
        "unknown_writes": _unknown(conn),
        "caps": {
            "last_hour": {"held": _held(conn, now - timedelta(hours=1)), "cap": limits.per_hour},
            "last_24_hours": {"held": _held(conn, now - timedelta(days=1)), "cap": limits.per_day},
        },
        "items": [_item(row) for row in rows],
    }


def _held(conn: Connection, since: datetime) -> int:
    """E-mails that went out, may have, or may at any moment, by the ledger."""
    moment = func.coalesce(writes.c.dispatched_at, writes.c.claimed_at)
    counted = (
        select(func.count())
        .select_from(writes)
        .where(
            writes.c.counts.is_(True),
            writes.c.status.in_([status.value for status in HELD]),
            moment > iso(since),
        )
    )
    held: int = conn.execute(counted).scalar_one()
    return held


def _unknown(conn: Connection) -> int:
    """Writes of any run and kind whose fate nobody can tell: e-mails may wait for one of them."""
    counted = (
        select(func.count()).select_from(writes).where(writes.c.status == Status.UNKNOWN.value)
    )
    found: int = conn.execute(counted).scalar_one()
    return found


def _item(row: Delivery) -> Json:
    return {
        "row": row.row,
        "lead_id": row.lead_id,
        "delivery_id": row.delivery_id,
        "state": row.state.value,
        "channel": row.channel,
        "not_before": iso(row.not_before) if row.not_before else None,
        "reasons": [{"code": reason.code, "text": reason.text} for reason in row.reasons],
    }


def render_run(report: Json, audit_dir: str) -> RenderableType:
    """The report for a terminal."""
    leads, sent = report["leads"], report["deliveries"]
    states = ", ".join(f"{count} {state}" for state, count in sorted(leads["by_state"].items()))
    resumed = ", resumed where it had stopped" if report["resumed"] else ""
    head = Text(f"Run {report['run_id']}, mode {report['mode']}{resumed}\n")
    for note in report.get("mode_notes", ()):
        head.append(f"{note}\n", style="bold yellow")
    head.append(f"{leads['processed']}/{leads['total']} leads decided ({states})\n", style="bold")
    if (halted := report.get("error")) is not None:
        head.append(f"STOPPED HERE: {halted['message']}. {halted['remedy']}\n", style="bold red")
    if (count := sent["unknown_writes"]) > 0:
        head.append(f"Done at a vendor, or not: {count}. See `swarm sends unknown`.\n", "bold red")
    return Group(head, *_deliveries(report, sent), Text(f"Why, for every lead: {audit_dir}"))


def _deliveries(report: Json, sent: Json) -> list[RenderableType]:
    if waiting := report["leads"]["by_state"].get("awaiting_approval", 0):
        return [Text(f"{waiting} await a person's approval: nothing goes out without it.\n")]
    if not sent["items"]:
        return [Text("No e-mail was let go.\n")]
    told = Text("\n")
    for channel, states in sent["by_channel"].items():
        said = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        told.append(f"{channel}: {said}\n", style="bold")
    for name, cap in sent["caps"].items():
        told.append(f"{name.replace('_', ' ')}: {cap['held']} of {cap['cap']} e-mails\n")
    if sent["next_at"] is not None:
        told.append(f"The next may go out {sent['next_at'][:19]}Z: the same command goes on.\n")
    return [_table(sent["items"]), told]


def _table(items: list[Json]) -> Rows:
    table = Rows(("Row", "Lead", "By", "Delivery", "Not before (UTC)"), "Why", right=("Row",))
    for item in items[:_SHOWN]:
        state = DeliveryState(item["state"])
        until = (item["not_before"] or "")[:19].replace("T", " ")
        table.add(
            str(item["row"]),
            item["lead_id"],
            item["channel"] or "",
            Text(state.value, style=_STYLE[state]),
            until if state is DeliveryState.DEFERRED else "",
            told=item["reasons"][0]["text"] if item["reasons"] else "",
        )
    if len(items) > _SHOWN:
        table.add("", f"… and {len(items) - _SHOWN} more (--json lists all)")
    return table
