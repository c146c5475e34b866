"""What a run came to, for a person and for a script. Owns: the report's document and table."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.text import Text
from sqlalchemy import Connection, select

from guardrails.audit import AuditHead
from guardrails.model import LeadState
from guardrails.store.tables import run_items
from orchestrator.layout import Rows

if TYPE_CHECKING:  # the engine comes with it, and every command prints
    from orchestrator.shadow import Outcome

Json = dict[str, Any]
_STYLE = {
    LeadState.SHADOW_LOGGED: "green",
    LeadState.REVIEW: "yellow",
    LeadState.DEFERRED: "yellow",
    LeadState.BLOCKED: "red",
    LeadState.DISQUALIFIED: "magenta",
    LeadState.DUPLICATE: "dim",
    LeadState.INVALID: "red",
}
_WIDTH = 120  # without a terminal
CHECKS = (
    "Read the e-mails: is each one about its company, and would you send it?",
    "Was every competitor, customer and public body turned away, and for that reason?",
    "Does each claim's source say what the e-mail says?",
    "Pick one decision you doubt and run `swarm explain ADDRESS`.",
)


def document(conn: Connection, outcome: Outcome, head: AuditHead, seconds: float) -> Json:
    """The report as one JSON document (`--json`)."""
    run = outcome.run
    items: list[Json] = []
    by_state: dict[str, int] = {}
    spent = processed = 0
    statement = select(run_items).where(run_items.c.run_id == run.run_id)
    for row in conn.execute(statement.order_by(run_items.c.row)):
        result = json.loads(row.result) if row.result else {}
        lead = json.loads(row.lead) if row.lead else {}
        reasons = result.get("reasons", [])
        if row.state is None:
            reasons = _why_not(outcome, row.row)
        else:
            processed += 1
            by_state[row.state] = by_state.get(row.state, 0) + 1
        spent += int(result.get("cost_micros", 0))
        items.append(
            {
                "row": row.row,
                "lead_id": row.lead_id,
                "email": lead.get("email"),
                "state": row.state,
                "reasons": [{"code": reason["code"], "text": reason["text"]} for reason in reasons],
                "score": result.get("score"),
                "tier": result.get("tier"),
                "audit_id": row.audit_id,
            }
        )
    report = {
        "run_id": run.run_id,
        "resumed": run.resumed,
        "mode": run.mode.value,
        "sandbox": run.sandbox,
        "leads": {
            "total": len(items),
            "processed": processed,
            "crashed": len(outcome.crashed),
            "by_state": by_state,
        },
        "items": items,
        "vendor_writes": outcome.vendor_writes,
        "audit": {"records": head.seq, "head": head.hash},
        "spend": {"estimated_micros": spent},
        "duration_s": round(seconds, 3),
    }
    if outcome.halted is not None:
        report["error"] = outcome.halted.model_dump(mode="json")
    return report


def _why_not(outcome: Outcome, row: int) -> list[Json]:
    """Reasons of a row that has not ended."""
    failure = outcome.crashed.get(row) or outcome.halted
    return [{"code": failure.code, "text": failure.message}] if failure else []


def render(report: Json, emails_file: str, audit_dir: str) -> RenderableType:
    """The report for a terminal."""
    leads = report["leads"]
    done = f"{leads['processed']}/{leads['total']} leads processed"
    metric = "without crashing" if not leads["crashed"] else f"{leads['crashed']} crashed"
    states = ", ".join(f"{count} {state}" for state, count in sorted(leads["by_state"].items()))
    where = Text.assemble(
        ("E-mails that would have been sent: ", "bold"), emails_file,
        ("\nWhy, for every lead:               ", "bold"), audit_dir,
        ("\nWrites at vendors:                 ", "bold"), str(report["vendor_writes"]),
        ("\nEnrichment spend (estimate):       ", "bold"),
        f"${report['spend']['estimated_micros'] / 1_000_000:.2f}",
    )  # fmt: skip
    checks = Text("\nSystem 2 is yours to check now:\n", style="bold")
    for number, check in enumerate(CHECKS, 1):
        checks.append(f"  {number}. {check}\n", style="not bold")
    head = Text(f"{done} {metric} ({states})", style="bold" if not leads["crashed"] else "bold red")
    halted = report.get("error")
    stopped_by = f"\nSTOPPED HERE: {halted['message']}. {halted['remedy']}" if halted else ""
    told = f"Run {report['run_id']}" + (
        ", resumed where it had stopped" if report["resumed"] else ""
    )
    head.append(stopped_by)
    for note in report.get("mode_notes", ()):
        head.append(f"\n{note}", style="bold yellow")
    return Group(Text(told), _table(report["items"]), head, where, checks)


def _table(items: list[Json]) -> Rows:
    table = Rows(("Row", "Lead", "Score", "Tier", "Outcome"), "First reason", right=("Row",))
    for item in items[:50]:
        state = item["state"]
        style = _STYLE.get(state, "bold red") if state else "bold red"
        table.add(
            str(item["row"]),
            item["email"] or item["lead_id"],
            "" if item["score"] is None else str(item["score"]),
            "" if item["tier"] is None else str(item["tier"]),
            Text(state or "unfinished", style=style),
            told=item["reasons"][0]["text"] if item["reasons"] else "",
        )
    if len(items) > 50:
        table.add("", f"… and {len(items) - 50} more (--json lists all)")
    return table


class _Terminal(Console):
    """Sentences are printed as they are: never parsed, and broken by the terminal alone.

    A line broken here could neither be found by grep nor copied; `[...]` in a lead's own words
    would be taken for markup.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        if all(isinstance(one, str) for one in objects):
            options = {"markup": False, "soft_wrap": True} | options
        super().print(*objects, **options)


def console(*, stderr: bool = False) -> Console:
    """A terminal; or plain text of a good width when there is none, unless COLUMNS says another."""
    made = _Terminal(stderr=stderr, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDTH
    return made
