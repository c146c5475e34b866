"""The send ledger as operators see it. Owns: its listing, and a person's word on unknown fates.

A person's word is on the audit record, with its reason, before it counts. Refuses to resolve what
is not unknown, and to send anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select

from guardrails.audit import AuditEntry, AuditLog, AuditRef
from guardrails.clock import Clock, iso, shifted
from guardrails.config import load_config
from guardrails.errors import BadInput, NotFound
from guardrails.hive import Hive
from guardrails.ledger import Ledger, LedgerRow, Status
from guardrails.model import Reason
from guardrails.store import Store
from guardrails.store.write_tables import deliveries, writes
from orchestrator.commands import opened
from orchestrator.deliveries import DeliveryState, Ended, ended_by_hand
from orchestrator.engine import Json
from orchestrator.environment import Environment
from orchestrator.twins import sandbox_offset

SEND = "send:"


@dataclass(frozen=True)
class Resolved:
    """A fate that is known now."""

    row: LedgerRow
    audit: AuditRef


@contextmanager
def opened_ledger(path: Path, config: Path | None) -> Iterator[tuple[Hive, Store, Ledger, Clock]]:
    """The ledger of a hive as it is, of whichever kind; never created by looking."""
    production = load_config(config).production
    with opened(path) as (hive, store):
        values = Environment.read(Path(".env")).values if hive.sandbox else {}
        clock = shifted(sandbox_offset(values, sandbox=hive.sandbox))
        yield hive, store, Ledger.of(production, store, clock, hive.salt()), clock


def listed(
    conn: Connection, *, status: Status | None, run_id: str | None, limit: int
) -> list[LedgerRow]:
    """Writes, the latest first."""
    statement = select(writes).order_by(writes.c.updated_at.desc(), writes.c.key).limit(limit)
    if status is not None:
        statement = statement.where(writes.c.status == status.value)
    if run_id is not None:
        statement = statement.where(writes.c.run_id == run_id)
    return [LedgerRow.of(row) for row in conn.execute(statement).mappings()]


def row_document(row: LedgerRow) -> Json:
    """One write for a script. Names nobody."""
    return {
        "key": row.key,
        "vendor": row.vendor,
        "action": row.action.value,
        "status": row.status.value,
        "lead_id": row.lead_id,
        "run_id": row.run_id,
        "decision_audit_id": row.decision_audit_id,
        "vendor_ref": row.vendor_ref,
        "note": row.note,
        "claimed_at": _text(row.claimed_at),
        "dispatched_at": _text(row.dispatched_at),
        "ended_at": _text(row.ended_at),
    }


async def resolve(
    store: Store,
    ledger: Ledger,
    audit: AuditLog,
    clock: Clock,
    key: str,
    *,
    happened: bool,
    reason: str,
    actor: str,
) -> Resolved:
    """Take a person's word for what became of a write: on record first, then in the ledger.

    Raises:
        NotFound: no such write.
        BadInput: no reason, or its fate is not unknown.
        AuditUnwritable: not on record, so nothing was changed.
    """
    if not reason.strip():
        raise BadInput("a reason is needed", remedy="Say what you saw at the vendor.")
    row = await store.query(lambda conn: _unknown(conn, ledger, key))
    body = {"send_resolved": key, "happened": happened, "reason": reason.strip()}
    entry = AuditEntry(
        kind="outcome", actor=actor, body=body, lead_id=row.lead_id, run_id=row.run_id
    )
    (ref,) = await audit.record([entry])

    def work(conn: Connection) -> LedgerRow:
        resolved = ledger.resolve(conn, key, happened, reason.strip())
        if key.startswith(SEND):
            ended_by_hand(conn, key.removeprefix(SEND), _told(happened, clock), iso(clock()))
        return resolved

    return Resolved(await store.run(work), ref)


def open_deliveries(conn: Connection, key: str | None) -> list[str]:
    """Deliveries about which the vendor can be asked: of unknown fate, or with open follow-ups.

    Raises:
        NotFound: `key` is none of theirs.
    """
    followed = (deliveries.c.state == DeliveryState.SENT.value) & (
        deliveries.c.not_before.is_not(None)
    )
    unknown = deliveries.c.state == DeliveryState.UNKNOWN.value
    found = conn.execute(select(deliveries.c.delivery_id).where(unknown | followed)).scalars()
    ids = sorted(found)
    if key is None:
        return ids
    wanted = [one for one in ids if one in key.split(":")]
    if not wanted:
        raise NotFound(
            f"nothing under {key!r} is unknown", remedy="`swarm sends unknown` lists what is."
        )
    return wanted


def _unknown(conn: Connection, ledger: Ledger, key: str) -> LedgerRow:
    row = ledger.find(conn, key)
    if row is None:
        raise NotFound(f"no write under {key!r}", remedy="`swarm sends` lists them.")
    if key not in {one.key for one in ledger.unknown(conn)}:
        raise BadInput(
            f"{key} is {row.status.value}: there is nothing to resolve",
            remedy="A write in flight becomes unknown when nobody can be at it any more.",
        )
    return row


def _told(happened: bool, clock: Clock) -> Ended:
    if happened:
        text = "A person says that it went out; the CRM is not told yet."
        reason = Reason(code="resolved_happened", text=text)
        return Ended(DeliveryState.SENT, (reason,), clock())
    reason = Reason(code="resolved_not_happened", text="A person says that it never went out.")
    return Ended(DeliveryState.FAILED, (reason,))


def _text(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
