"""The tables. Owns: names and columns of our state in the database, on SQLite and PostgreSQL.

Times are UTC text in ISO 8601 with microseconds (they sort, and both databases agree on them);
documents are JSON text. The engine's own tables live beside these and are not ours to touch.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A run of a leads file in one mode. `run_key` is file digest, mode and sandbox: the same command
# over an unfinished run finds it here.
runs = Table(
    "runs",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("run_key", String(80), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("status", String(16), nullable=False),  # running | finished | abandoned
    Column("total", Integer),  # rows in the file; known when the import has read it all
    Column("created_at", String(32), nullable=False),
    Column("finished_at", String(32)),
    Column("left_at", String(32)),  # ended before its rows: it waits for the same command
    CheckConstraint("status in ('running', 'finished', 'abandoned')", name="status"),
    Index(None, "run_key", "created_at"),
)

# One row of a run: exactly one per data row of the file, in exactly one state at the end (P7).
run_items = Table(
    "run_items",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("lead_id", String(80), nullable=False),
    Column("state", String(32)),  # a LeadState, or NULL while it is being prepared
    Column("lead", Text),  # Lead as JSON; NULL for an invalid row
    Column("result", Text),  # reasons, score, tier as JSON
    Column("audit_id", String(80)),
    Column("updated_at", String(32), nullable=False),
    Column("claimed_by", String(40)),  # session of the worker that prepares it
    Index(None, "run_id", "state"),
    Index(None, "lead_id"),
    # and ix_run_items_open on run_id, row where state is NULL: to say so here, every process would
    # import the dialects of both databases
)

# The shadow log. emails.json is a projection of it.
shadow_emails = Table(
    "shadow_emails",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("email_id", String(80), nullable=False),
    Column("lead_id", String(80), nullable=False),
    Column("document", Text, nullable=False),
    Index(None, "email_id"),
    Index(None, "lead_id"),
)

# Content-addressed documents: the inputs of decisions and the policies they were made under.
# They hold people's data and can be erased; the audit keeps the digest.
documents = Table(
    "documents",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),  # decision_inputs | policy | bank_slice
    Column("lead_id", String(80)),
    Column("document", Text),  # NULL once erased
    Column("created_at", String(32), nullable=False),
    Index(None, "lead_id"),
)

# Where each audit record stands in its file, and which decision it records (once).
audit_index = Table(
    "audit_index",
    metadata,
    Column("chain", String(80), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("audit_id", String(80), nullable=False, unique=True),
    Column("decision_id", String(80), unique=True),
    Column("lead_id", String(80)),
    Column("run_id", String(80)),
    Column("day", String(10), nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("line", Text),  # the record itself, on a database that other machines share
    Index(None, "lead_id", "seq"),
)

# The head of each machine's chain, kept outside the file: truncation and rewriting show.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", String(80), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("updated_at", String(32), nullable=False),
)

# The kill switch: one row. Permits carry the epoch they were minted in.
stop_state = Table(
    "stop_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("stopped", Boolean, nullable=False),
    Column("reason", Text),
    Column("actor", Text),
    Column("changed_at", String(32), nullable=False),
    CheckConstraint("id = 1", name="single_row"),
)

# Whom nobody may write to. Keyed hash of the address or domain: it outlives erasure.
suppressions = Table(
    "suppressions",
    metadata,
    Column("subject_hash", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),  # email | domain
    Column("reason", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("created_at", String(32), nullable=False),
)

# Permits that were used: the primary key makes them single use.
spent_permits = Table(
    "spent_permits",
    metadata,
    Column("permit_id", String(80), primary_key=True),
    Column("action", String(64), nullable=False),
    Column("spent_at", String(32), nullable=False),
    Column("spent_by", String(80), nullable=False),
)

# Facts already paid for.
enrichment_cache = Table(
    "enrichment_cache",
    metadata,
    Column("key", String(120), primary_key=True),  # <source>:<keyed hash of e-mail or domain>
    Column("lead_id", String(80)),
    Column("document", Text, nullable=False),
    Column("fetched_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Index(None, "lead_id"),
)

# A paid run is written here before it is asked for and gets its vendor id as soon as that is
# known: a crash in between never pays twice without anybody knowing.
paid_runs = Table(
    "paid_runs",
    metadata,
    Column("key", String(120), primary_key=True),
    Column("vendor", String(32), nullable=False),
    Column("status", String(16), nullable=False),  # reserved | started | done | failed | unknown
    Column("vendor_run_id", String(120)),
    Column("cost_micros", BigInteger, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
)
