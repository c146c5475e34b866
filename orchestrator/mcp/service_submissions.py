"""Submitting, following, cancelling. Owns: what a client hands in, as the inbox has it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, select

from guardrails.approval_model import ApprovalState
from guardrails.audit import AuditEntry
from guardrails.errors import BadInput
from guardrails.model import LeadState
from guardrails.store.people_tables import approvals
from guardrails.store.tables import run_items
from guardrails.store.write_tables import deliveries
from orchestrator.delivery_rows import DeliveryState
from orchestrator.mcp import pages
from orchestrator.mcp.alive import RUNNING, queen
from orchestrator.mcp.contract_submissions import (
    CancelSubmission,
    FollowSubmission,
    LeadLine,
    LeadRow,
    SubmissionCancelled,
    SubmissionProgress,
    SubmitLeads,
    Submitted,
)
from orchestrator.mcp.parts import ACTOR, Parts
from orchestrator.submission_cancel import Canceller
from orchestrator.submission_rows import (
    MAX_BYTES,
    Stage,
    Submission,
    find,
    hand_in,
    is_known,
    submission_id,
)

_PREPARING = "preparing"
_SENTENCE = 300
_SAID = {
    Stage.WAITING: "the queen takes it up next: follow_submission tells how it goes",
    Stage.WORKING: "follow_submission tells how it goes",
    Stage.DONE: "follow_submission tells how each lead ended",
    Stage.CANCELLED: "it was cancelled; another key begins anew",
    Stage.REFUSED: "nothing in it could be read; follow_submission says why",
    Stage.FAILED: "a person looks at `swarm inbox list`",
}


class SubmissionService:
    """Over open parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._canceller = Canceller(parts.store, parts.audit, parts.approvals, parts.clock, ACTOR)

    async def submit(self, args: SubmitLeads) -> Submitted:
        """Put them into the inbox, on record first.

        Raises:
            BadInput: neither or both forms, too much, or a key used for other rows.
            AuditUnwritable, StoreUnavailable: nothing was handed in; call again.
        """
        text = _csv_text(args)
        id = submission_id(text, args.key)
        submission, at = Submission(submission_id=id, csv_text=text), self._parts.clock()
        new = not await self._parts.store.query(lambda conn: is_known(conn, submission))
        if new:
            body = {"act": "handed_in", "submission_id": id, "bytes": len(text.encode())}
            entry = AuditEntry("submission", ACTOR, body, decision_id=f"submission:{id}")
            await self._parts.audit.record([entry])
            new = await self._parts.store.run(lambda conn: hand_in(conn, submission, at))
        found = await self._parts.store.query(lambda conn: find(conn, id))
        working = await queen(self._parts)
        waits = found.stage is Stage.WAITING and working != RUNNING
        return Submitted(
            submission_id=id,
            new=new,
            stage=found.stage,
            queen=working,
            next_step=f"it is kept, and nobody takes it up yet: {working}"
            if waits
            else _SAID[found.stage],
        )

    async def follow(self, args: FollowSubmission) -> SubmissionProgress:
        """One look. Raises NotFound, BadInput, StoreUnavailable."""
        after, id = pages.start(args.cursor), args.submission_id
        found = await self._parts.store.query(lambda conn: find(conn, id))
        counts: dict[str, int] = {}
        rows: Sequence[Any] = ()
        if (run_id := found.run_id) is not None:
            counts, rows = await self._parts.store.query(
                lambda conn: (_counts(conn, run_id), _page(conn, run_id, after, args.limit + 1))
            )
        more = len(rows) > args.limit
        lines = tuple(_line(row) for row in rows[: args.limit])
        return SubmissionProgress(
            submission_id=id,
            stage=_stage(found.stage, counts),
            received_at=found.received_at,
            note=found.note if found.run_id is None else None,
            mode=found.mode,
            total=found.total,
            counts=counts,
            leads=lines,
            next_cursor=pages.following(lines[-1].row) if more else None,
            queen=await queen(self._parts, found.mode if found.open_rows else None),
        )

    async def cancel(self, args: CancelSubmission) -> SubmissionCancelled:
        """Withdraw what was not sent. Raises as `Canceller.cancel`."""
        done = await self._canceller.cancel(args.submission_id)
        return SubmissionCancelled(
            submission_id=args.submission_id,
            stage=done.stage,
            undecided=done.undecided,
            approvals=done.approvals,
            unsent=done.unsent,
            sent=done.sent,
            unknown=done.unknown,
        )


def _csv_text(args: SubmitLeads) -> str:
    if bool(args.rows) == (args.csv_text is not None):
        raise BadInput("give either rows or csv_text", remedy="Give exactly one of the two.")
    text = args.csv_text if args.csv_text is not None else _as_csv(args.rows)
    if (size := len(text.encode("utf-8", "replace"))) > MAX_BYTES:
        raise BadInput(
            f"{size} bytes of leads; at most {MAX_BYTES}", remedy="Submit them in several parts."
        )
    return text


def _as_csv(rows: Sequence[LeadRow]) -> str:
    """As the hunter reads it: one parser for whatever comes in."""
    names = list(LeadRow.model_fields)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = row.model_dump()
        values["do_not_contact"] = "yes" if row.do_not_contact else ""
        writer.writerow([values[name] for name in names])
    return out.getvalue()


def _stage(stage: Stage, counts: dict[str, int]) -> Stage:
    """A submission with e-mails on their way is not done."""
    on_their_way = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.UNKNOWN)
    if stage is Stage.DONE and any(_on_its_way(state) in counts for state in on_their_way):
        return Stage.WORKING
    return stage


def _on_its_way(state: str) -> str:
    """A delivery's state among the counts: `deferred` is a decision as well."""
    return f"delivery_{state}" if state == DeliveryState.DEFERRED else str(state)


def _joined(run_id: str) -> Any:
    delivery = and_(deliveries.c.run_id == run_items.c.run_id, deliveries.c.row == run_items.c.row)
    approval = and_(
        approvals.c.run_id == run_items.c.run_id,
        approvals.c.row == run_items.c.row,
        approvals.c.state != ApprovalState.SUPERSEDED.value,  # its successor is there instead
    )
    return (
        select(
            run_items,
            deliveries.c.state.label("delivery"),
            deliveries.c.reasons.label("delivery_reasons"),
            approvals.c.approval_id,
            approvals.c.state.label("approval"),
        )
        .outerjoin(deliveries, delivery)
        .outerjoin(approvals, approval)
        .where(run_items.c.run_id == run_id)
    )


def _page(conn: Connection, run_id: str, after: int, limit: int) -> Sequence[Any]:
    statement = _joined(run_id).where(run_items.c.row > after)
    return conn.execute(statement.order_by(run_items.c.row).limit(limit)).all()


def _counts(conn: Connection, run_id: str) -> dict[str, int]:
    return dict(Counter(_so_far(row) for row in conn.execute(_joined(run_id))))


def _so_far(row: Any) -> str:
    """How far one lead has got, in a word."""
    if row.delivery:
        return _on_its_way(row.delivery)
    if row.approval and row.approval != ApprovalState.WAITING.value:
        return str(row.approval)
    return str(row.state or _PREPARING)


def _line(row: Any) -> LeadLine:
    result = json.loads(row.result) if row.result else {}
    reasons = json.loads(row.delivery_reasons) if row.delivery_reasons else []
    first = next(iter(reasons or result.get("reasons", ())), None)
    return LeadLine(
        row=row.row,
        lead_id=row.lead_id,
        decision=LeadState(row.state) if row.state else None,
        delivery=DeliveryState(row.delivery) if row.delivery else None,
        approval=ApprovalState(row.approval) if row.approval else None,
        approval_id=row.approval_id,
        reason=f"{first['code']}: {first['text']}"[:_SENTENCE] if first else None,
        field=first.get("field") if first else None,
        remedy=first.get("remedy") if first else None,
        audit_id=row.audit_id,
    )
