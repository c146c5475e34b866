"""Approvals on a terminal and for scripts. Owns: their table, one case in full, and their JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from guardrails.approval_model import Approval, ApprovalState
from guardrails.clock import iso
from guardrails.model import Verdict
from orchestrator.approvals.case import ApprovalCase
from orchestrator.layout import Rows

Json = dict[str, Any]
_STYLE = {
    ApprovalState.WAITING: "yellow",
    ApprovalState.APPROVED: "green",
    ApprovalState.REJECTED: "red",
    ApprovalState.EXPIRED: "dim",
    ApprovalState.SUPERSEDED: "dim",
    ApprovalState.WITHDRAWN: "dim",
}


def row_document(approval: Approval) -> Json:
    """One approval for a script; names nobody."""
    fields: Json = dict(vars(approval))
    for name, value in fields.items():
        if isinstance(value, datetime):
            fields[name] = iso(value)
    return fields | {"alone": approval.alone}


def case_document(case: ApprovalCase) -> Json:
    """One approval with what it is about, for a script."""
    return row_document(case.approval) | {
        "to": case.to,
        "subject": case.draft.subject,
        "body": case.draft.body,
        "claims": [claim.model_dump(mode="json") for claim in case.claims],
        "score": case.qualification.score if case.qualification else None,
        "checks": [check.model_dump(mode="json") for check in case.checks],
        "bank": case.bank.model_dump(mode="json") if case.bank else None,
        "would_send_at": iso(case.would_send_at) if case.would_send_at else None,
        "cost_micros": case.cost_micros,
        "policy_version": case.policy_version,
        "sandbox": case.sandbox,
    }


def table_of(
    cases: Sequence[tuple[Approval, ApprovalCase | None]], now: datetime
) -> RenderableType:
    """The queue: who is due first on top."""
    if not cases:
        return Text("Nothing waits for a person.")
    table = Rows(("Approval", "Tier", "State", "Due, or ended"), "E-mail", right=("Tier",))
    for approval, case in cases:
        about = f"{case.to}: {case.draft.subject}" if case else "(erased)"
        table.add(
            approval.approval_id,
            str(approval.tier or ""),
            Text(approval.state.value, style=_STYLE[approval.state]),
            _due(approval, now),
            told=Text("\n").join(filter(None, (Text(about), _marks(approval)))),
        )
    return table


def case_view(case: ApprovalCase, now: datetime) -> RenderableType:
    """One case as a person needs it to decide."""
    approval, draft, found = case.approval, case.draft, case.qualification
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    score = f"{found.score} (tier {found.tier}), {found.segment}" if found else "not scored"
    when = f"{case.local_send_time:%a %d %b %H:%M %Z}" if case.local_send_time else "unknown"
    for name, value in (
        ("To", case.to),
        ("From", f"{draft.sender.name} <{draft.sender.email}>"),
        ("Could go out", f"{when} (the recipient's time)"),
        ("ICP score", score),
        ("Cost", f"${case.cost_micros / 1_000_000:.2f}"),
        ("State", f"{approval.state.value}, {_due(approval, now).plain}"),
        ("Look at", _marks(approval).plain or "-"),
        ("Template", f"{draft.template}, angle {draft.scope.angle}"),
    ):
        facts.add_row(name, Text(value))
    letter = Text(f"Subject: {draft.subject}\n\n{draft.body.strip()}")
    return Group(
        Text(approval.approval_id, style="bold"), facts, Panel(letter, title="E-mail"),
        _claims(case), _checks(case), _bank(case),
    )  # fmt: skip


def _claims(case: ApprovalCase) -> RenderableType:
    told = Text("Claims and their sources\n", style="bold")
    for claim in case.claims:
        where = ", ".join(filter(None, (claim.source, claim.url, f"{claim.fetched_at:%Y-%m-%d}")))
        told.append(f"  “{claim.text}”: {where}\n", style="not bold")
    if not case.claims:
        told.append("  none\n", style="not bold")
    return told


def _checks(case: ApprovalCase) -> RenderableType:
    told = Text("Guardrails\n", style="bold")
    for check in case.checks:
        if check.verdict is not Verdict.PASS:
            told.append(f"  {check.verdict.value}: {check.text}\n", style="not bold yellow")
    passed = sum(check.verdict is Verdict.PASS for check in case.checks)
    told.append(f"  {passed} of {len(case.checks)} checks passed\n", style="not bold")
    return told


def _bank(case: ApprovalCase) -> RenderableType:
    told = Text("Reasoning bank\n", style="bold")
    if case.bank is None:
        return told.append("  not consulted\n", style="not bold")
    told.append(f"  {case.bank.text}\n", style="not bold")
    for item in case.bank.citations:
        told.append(f"  {item.effect}: {item.reason} [{item.item_id}]\n", style="not bold")
    return told


def _due(approval: Approval, now: datetime) -> Text:
    if approval.state is not ApprovalState.WAITING:
        return Text(f"{approval.ended_at:%Y-%m-%d %H:%M} UTC" if approval.ended_at else "")
    left = approval.due_at - now
    if left < timedelta():
        return Text(f"overdue by {_minutes(-left)}", style="bold red")
    return Text(f"in {_minutes(left)}")


def _minutes(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _marks(approval: Approval) -> Text:
    marks = []
    if approval.verdict is Verdict.REVIEW:
        marks.append("marked for review")
    if approval.first_of_segment:
        marks.append("first of its segment")
    if approval.author:
        marks.append("edited by a person")
    return Text(", ".join(marks))
