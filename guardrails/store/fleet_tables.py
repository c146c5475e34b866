"""The tables of many machines. Owns: who works here, who does what alone, what goes to memory.

Times are UTC text and documents JSON text, as in `tables.py`. Moments of leases and duties are the
database's own, so that machines need not agree on the time.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, Text

from guardrails.store.tables import metadata

# One row for each hive that works on this database. A session is one life of its queen; rows name
# in `claimed_by` the session that works on them.
workers = Table(
    "workers",
    metadata,
    Column("worker", String(80), primary_key=True),  # the hive's audit chain
    Column("session", String(40), nullable=False),
    Column("host", String(120), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(40), nullable=False),  # of the workflows
    Column("mode", String(16), nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("beat_at", String(32), nullable=False),
    Column("lease_until", String(32), nullable=False),
    Column("ended_at", String(32)),  # in order
    Column("document", Text),  # what it says of itself
    Index(None, "session"),
)

# Scheduled work that one of them does at a time.
duties = Table(
    "duties",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", String(32), nullable=False),
)

# What all hives of one database must have in common: the salt, by a digest that tells nothing.
fleet = Table(
    "fleet",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("salt_check", String(64), nullable=False),
    Column("created_at", String(32), nullable=False),
    CheckConstraint("id = 1", name="single_row"),
)

# Which hive's bank holds which lesson.
lesson_folds = Table(
    "lesson_folds",
    metadata,
    Column("chain", String(80), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("folded_at", String(32), nullable=False),
)

# Facts on their way to the long-term memory, written in the transaction of the fact itself.
memory_outbox = Table(
    "memory_outbox",
    metadata,
    Column("outbox_id", String(80), primary_key=True),  # sorts in the order of writing
    Column("kind", String(16), nullable=False),
    Column("key", String(200), nullable=False),  # of the fact, in its table there
    Column("lead_id", String(80)),
    Column("document", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", String(32)),
    Column("note", Text),
    Column("created_at", String(32), nullable=False),
    Index(None, "lead_id"),
)

# How far other machines' facts were read.
memory_cursors = Table(
    "memory_cursors",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("position", Text, nullable=False),
    Column("updated_at", String(32), nullable=False),
)
