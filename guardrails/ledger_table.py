"""The table `writes` as the ledger uses it. Owns: its statements, and the ledger's one lock.

Every function works inside its caller's write transaction. Decides nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from guardrails.clock import iso
from guardrails.ledger_rows import HELD, LedgerRow, Status, WriteEntry
from guardrails.store.write_tables import deliveries, writes

_LOCK_KEY = 0x5357_4152_4D25  # of ours alone: "SWARM%"
_C = writes.c
# Built once: building a statement costs more than running it.
_ROW = select(writes).where(_C.key == bindparam("named"))
_ROW_HELD = _ROW.with_for_update()
_EXPIRED = (
    select(_C.key)
    .where(
        _C.status == Status.CLAIMED.value,
        _C.counts.is_(True),
        _C.claimed_at <= bindparam("before"),
    )
    # One that is being dispatched at this moment keeps its place.
    .with_for_update(skip_locked=True)
)
_OTHERS = (
    select(_C.key)
    .where(
        _C.counts.is_(True),
        _C.key != bindparam("own"),
        _C.status.in_([status.value for status in HELD]),
        or_(
            _C.recipient_hash.in_(bindparam("recipients", expanding=True)),
            _C.lead_id.in_(bindparam("leads", expanding=True)),
        ),
        func.coalesce(_C.dispatched_at, _C.claimed_at) >= bindparam("since"),
    )
    .limit(1)
)
_DELIVERY = (
    select(deliveries.c.state)
    .where(deliveries.c.delivery_id == bindparam("decision"))
    # Until the commit: who gives it up meanwhile finds what was claimed.
    .with_for_update(read=True)
)
_STALE = and_(_C.status == Status.DISPATCHING.value, _C.dispatched_at <= bindparam("before"))
_UNKNOWN = (
    select(writes)
    .where(or_(_C.status == Status.UNKNOWN.value, _STALE))
    .order_by(_C.dispatched_at, _C.key)
)


def lock_sending(conn: Connection) -> None:
    """Hold all claims of e-mails until the transaction ends (PostgreSQL; SQLite's write lock)."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")


def read(conn: Connection, key: str) -> LedgerRow | None:
    """The row, as it stands."""
    row = conn.execute(_ROW, {"named": key}).mappings().first()
    return LedgerRow.of(row) if row else None


def hold(conn: Connection, key: str) -> LedgerRow | None:
    """The row, which nobody else changes until the transaction ends."""
    row = conn.execute(_ROW_HELD, {"named": key}).mappings().first()
    return LedgerRow.of(row) if row else None


def change(conn: Connection, key: str, now: datetime, **values: Any) -> None:
    """Set columns of the row."""
    conn.execute(update(writes).where(_C.key == key).values(**values, updated_at=iso(now)))


def release_expired(conn: Connection, now: datetime, before: datetime) -> None:
    """Take the place in the caps from e-mails claimed until `before` that nobody dispatched.

    By a change of the row, not by arithmetic: a dispatch at the same moment finds it gone.
    """
    for key in conn.execute(_EXPIRED, {"before": iso(before)}).scalars().all():
        change(conn, key, now, status=Status.PENDING.value, permit_id=None)


def other_email(conn: Connection, entry: WriteEntry, since: datetime) -> str | None:
    """The key of another e-mail to the same person, sent or on its way since then."""
    address, lead = entry.same_person or (entry.recipient_hash, entry.lead_id)
    asked = {
        "own": entry.key,
        "recipients": [entry.recipient_hash, address],
        "leads": [known for known in (entry.lead_id, lead) if known],
        "since": iso(since),
    }
    found: str | None = conn.execute(_OTHERS, asked).scalar_one_or_none()
    return found


def given_up(conn: Connection, entry: WriteEntry) -> bool:
    """Whether what the entry is for is not to go out any more."""
    state = conn.execute(_DELIVERY, {"decision": entry.decision_audit_id}).scalar_one_or_none()
    return bool(state == "refused")


def unknown_rows(conn: Connection, before: datetime) -> tuple[LedgerRow, ...]:
    """Rows of unknown fate, and those that are dispatching since `before`, oldest first."""
    rows = conn.execute(_UNKNOWN, {"before": iso(before)}).mappings()
    return tuple(LedgerRow.of(row) for row in rows)
