"""The tables of writing outside. Owns: what was done at vendors, what waits, what is paused.

Times are UTC text and documents JSON text, as in `tables.py`. People stand here by keyed hash.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, String, Table, Text

from guardrails.store.tables import metadata

# The send ledger: one row for each write at a vendor, e-mails among them. `key` is chosen by who
# wants it done, and names the same write for ever.
writes = Table(
    "writes",
    metadata,
    Column("key", String(120), primary_key=True),
    Column("vendor", String(32), nullable=False),
    Column("action", String(64), nullable=False),
    Column("recipient_hash", String(64), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("status", String(16), nullable=False),  # pending claimed dispatching sent failed unknown
    Column("counts", Boolean, nullable=False),  # an e-mail: counts against the sending caps
    Column("lead_id", String(80)),
    Column("run_id", String(80)),
    Column("decision_audit_id", String(80)),  # the review that passed it
    Column("mailbox_hash", String(64)),
    Column("domain_hash", String(64)),  # of the recipient
    Column("permit_id", String(80)),  # the only permit that may dispatch it
    Column("vendor_ref", String(200)),
    Column("result", Text),
    Column("note", Text),
    Column("claimed_at", String(32)),
    Column("dispatched_at", String(32)),
    Column("ended_at", String(32)),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    CheckConstraint(
        "status in ('pending', 'claimed', 'dispatching', 'sent', 'failed', 'unknown')",
        name="status",
    ),
    Index(None, "counts", "claimed_at"),
    Index(None, "status"),
    Index(None, "lead_id"),
    Index(None, "recipient_hash"),
)

# Sending that pauses itself: bounces, complaints, unsubscribes.
sending_pauses = Table(
    "sending_pauses",
    metadata,
    Column("scope", String(120), primary_key=True),  # * or mailbox:<hash>
    Column("until", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

# A lead that was decided `ready` (or approved) on its way out.
deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", String(80), primary_key=True),  # audit id of the decision
    Column("lead_id", String(80), nullable=False),
    Column("run_id", String(80), nullable=False),
    Column("row", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("channel", String(16)),  # instantly | ghl
    Column("not_before", String(32)),
    Column("reasons", Text),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    Column("claimed_by", String(40)),  # session of the worker that has it in hand
    CheckConstraint(
        "state in ('queued', 'deferred', 'sent', 'refused', 'failed', 'unknown')", name="state"
    ),
    Index(None, "run_id", "state"),
    Index(None, "lead_id"),
    Index(None, "state", "not_before"),
)
