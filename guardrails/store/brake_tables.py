"""The brakes' tables. Owns: what processes and machines share about vendors, money and failures.

Times are UTC text and documents JSON text, as in `tables.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, String, Table, Text

from guardrails.store.tables import metadata

# Everything shared about one vendor in one row: rate, breakers, retry budget. One row is one
# round trip, and its lock orders all processes (`guardrails.brakes.vendor_state`).
vendor_brakes = Table(
    "vendor_brakes",
    metadata,
    Column("vendor", String(32), primary_key=True),
    Column("document", Text, nullable=False),
    Column("updated_at", String(32), nullable=False),
)

# Every change of a breaker's state, for people and for the campaign's time line.
breaker_events = Table(
    "breaker_events",
    metadata,
    Column("event_id", String(80), primary_key=True),
    Column("at", String(32), nullable=False),
    Column("vendor", String(32), nullable=False),
    Column("operation_class", String(16), nullable=False),  # read | paid_read | write
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("state in ('open', 'half_open', 'closed')", name="state"),
    Index(None, "vendor", "at"),
)

# What is held of each cap: reserved, settled and unknown amounts together. Scope `*` is the total.
spend_days = Table(
    "spend_days",
    metadata,
    Column("day", String(10), primary_key=True),  # in the account's time zone
    Column("scope", String(32), primary_key=True),  # a vendor, or *
    Column("held_micros", BigInteger, nullable=False),
)

# One paid call: reserved before it leaves, settled after.
spend_entries = Table(
    "spend_entries",
    metadata,
    Column("entry_id", String(80), primary_key=True),
    Column("day", String(10), nullable=False),
    Column("vendor", String(32), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("settled_micros", BigInteger),
    Column("lead_id", String(80)),
    Column("note", Text),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    CheckConstraint("status in ('reserved', 'settled', 'released', 'unknown')", name="status"),
    Index(None, "day", "vendor"),
    Index(None, "status"),
    Index(None, "lead_id"),
)

# Told once for each day, scope and share of the cap.
spend_alerts = Table(
    "spend_alerts",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("scope", String(32), primary_key=True),
    Column("percent", Integer, primary_key=True),
    Column("held_micros", BigInteger, nullable=False),
    Column("cap_micros", BigInteger, nullable=False),
    Column("at", String(32), nullable=False),
)

# Every failure is one row.
failures = Table(
    "failures",
    metadata,
    Column("failure_id", String(80), primary_key=True),
    Column("at", String(32), nullable=False),
    Column("server", String(32), nullable=False),  # a server, or queen
    Column("operation", String(64), nullable=False),
    Column("vendor", String(32)),
    Column("kind", String(32), nullable=False),  # a FailureKind
    Column("status", Integer),  # HTTP, when there was an answer
    Column("signature", String(16), nullable=False),  # failures of one cause share it
    Column("detail", Text, nullable=False),  # without keys and addresses
    Column("lead_id", String(80)),
    Column("run_id", String(80)),
    Column("attempt", Integer, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("injected", String(32)),  # the fault, when chaos made it
    Index(None, "signature", "at"),
    Index(None, "at"),
    Index(None, "lead_id"),
)

# Leads that always fail: left alone until a person releases them.
quarantined_leads = Table(
    "quarantined_leads",
    metadata,
    Column("lead_id", String(80), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("at", String(32), nullable=False),
)

# What failure injection saw and did: a call site without a fault, or the fault put there.
chaos_events = Table(
    "chaos_events",
    metadata,
    Column("event_id", String(80), primary_key=True),
    Column("at", String(32), nullable=False),
    Column("site", String(80), nullable=False),  # vendor.operation, or process.<name>
    Column("fault", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("lead_id", String(80)),
    Column("run_id", String(80)),
    Index(None, "run_id"),
)
