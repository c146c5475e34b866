"""What is on record for the prompts. Owns: short extracts of the live record, bounded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from guardrails.approval_model import ApprovalState
from guardrails.clock import iso
from guardrails.errors import NotFound
from guardrails.model import Mode
from guardrails.store.people_tables import approvals
from guardrails.store.tables import run_items, runs, shadow_emails
from orchestrator.mcp import prompt_texts as texts
from orchestrator.mcp.contract_insight import ExplainDecision, GetStatus
from orchestrator.mcp.parts import Parts
from orchestrator.mcp.service_insight import InsightService

_EMAILS, _BODY = 20, 1_200
_REJECTIONS, _WORDS = 50, 300
_WEEK = timedelta(days=7)


class PromptService:
    """Over open parts and what tells of them."""

    def __init__(self, parts: Parts, insight: InsightService) -> None:
        self._parts = parts
        self._insight = insight

    async def shadow(self, _values: Mapping[str, str]) -> str:
        """Today's shadow runs: how the leads ended, and the first e-mails."""
        day = f"{self._parts.clock():%Y-%m-%d}"
        counts, emails = await self._parts.store.query(lambda conn: _shadow(conn, day))
        if not counts:
            record = f"No shadow run began today ({day}, UTC). Nothing is there to review yet."
            return texts.SHADOW.format(record=record)
        ended = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
        shown = "\n\n".join(_email(one) for one in emails) or "none was written"
        record = f"Leads of today's shadow runs: {ended}.\n" + texts.fenced(
            "the e-mails, with what they quote of leads and news", shown
        )
        return texts.SHADOW.format(record=record)

    async def why_not(self, values: Mapping[str, str]) -> str:
        """The newest decision about a lead."""
        asked = values["lead"].strip()
        try:
            told = await self._insight.explain(ExplainDecision(id=asked))
            record = texts.fenced("what the record quotes of the lead and its news", told.text)
        except NotFound:
            record = "Nothing is on record about this lead."
        lead = "the one whose address was given" if "@" in asked else _plain(asked)
        return texts.WHY_NOT.format(lead=lead, record=record)

    async def rejections(self, _values: Mapping[str, str]) -> str:
        """What people said no to within a week."""
        since = iso(self._parts.clock() - _WEEK)
        found = await self._parts.store.query(lambda conn: _rejected(conn, since))
        if not found:
            return texts.REJECTIONS.format(record="Nobody rejected anything within seven days.")
        lines = "\n".join(_rejection(row) for row in found)
        codes = Counter(row.reason_code for row in found)
        record = f"{len(found)} rejections: {_counted(codes)}.\n" + texts.fenced(
            "people's words, which may quote e-mails", lines
        )
        return texts.REJECTIONS.format(record=record)

    async def go_live(self, _values: Mapping[str, str]) -> str:
        """Where the swarm stands on its way."""
        status = await self._insight.status(GetStatus())
        mode = f"configured {status.mode.configured}, in force {status.mode.in_force or 'nowhere'}"
        lines = [f"Now: mode {mode}; queen: {status.queen}."]
        lines += list(status.mode.notes)
        if status.stop.stopped is not False:
            lines.append(f"STOPPED: {status.stop.reason or 'its state cannot be read'}.")
        lines += [f"NOT READ: {part}: {why}." for part, why in status.unread.items()]
        if status.approvals_waiting is not None and status.brakes is not None:
            brakes = len(status.brakes)
            lines.append(f"{status.approvals_waiting} approvals wait; {brakes} brakes on.")
        lines += list(status.needs_a_person)
        return texts.GO_LIVE.format(record="\n".join(lines))


def _shadow(conn: Connection, day: str) -> tuple[dict[str, int], Sequence[Any]]:
    today = select(runs.c.run_id).where(
        runs.c.mode == Mode.SHADOW.value, runs.c.created_at.startswith(day, autoescape=True)
    )
    counted = (
        select(run_items.c.state, func.count().label("number"))
        .where(run_items.c.run_id.in_(today))
        .group_by(run_items.c.state)
    )
    emails = (
        select(shadow_emails.c.row, shadow_emails.c.document)
        .where(shadow_emails.c.run_id.in_(today))
        .order_by(shadow_emails.c.run_id, shadow_emails.c.row)
        .limit(_EMAILS)
    )
    counts = {row.state or "being prepared": row.number for row in conn.execute(counted)}
    return counts, conn.execute(emails).all()


def _email(row: Any) -> str:
    told = json.loads(row.document)
    why = ", ".join(reason["code"] for reason in told["reasons"]) or "nothing against it"
    return (
        f"row {row.row}, {told['audit_id']}: {told['decision']}, score {told['score']}, "
        f"segment {told['segment']}, template {told['template']}; {why}\n"
        f"Subject: {told['subject']}\n{told['body'].strip()[:_BODY]}"
    )


def _rejected(conn: Connection, since: str) -> Sequence[Any]:
    statement = (
        select(approvals)
        .where(approvals.c.state == ApprovalState.REJECTED.value, approvals.c.ended_at >= since)
        .order_by(approvals.c.ended_at.desc())
        .limit(_REJECTIONS)
    )
    return conn.execute(statement).all()


def _rejection(row: Any) -> str:
    words = f": {row.reason_text.strip()[:_WORDS]}" if row.reason_text else ""
    return f"{row.decision_audit_id} ({row.segment}) {row.reason_code}{words}"


def _counted(codes: Counter[str]) -> str:
    return ", ".join(f"{number} {code}" for code, number in codes.most_common())


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable())[:120]
