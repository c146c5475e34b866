"""The tables of the people in the loop. Owns: what waits for a person, what came in from outside.

Times are UTC text and documents JSON text, as in `tables.py`. Raw bodies and people's words can be
erased; what must outlive a person stands in the audit by salted ids.
"""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, String, Table, Text

from guardrails.store.tables import metadata

# A draft that waits for a person. How it ended stands on one audit record of its own; this row
# follows that record.
approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", String(40), primary_key=True),
    Column("decision_audit_id", String(80), nullable=False, unique=True),  # the review
    Column("lead_id", String(80), nullable=False),
    Column("run_id", String(80), nullable=False),
    Column("row", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # an ApprovalState
    Column("verdict", String(16), nullable=False),  # pass | review, as the review decided
    Column("segment", String(120), nullable=False),
    Column("first_of_segment", Boolean, nullable=False),
    Column("tier", Integer),
    Column("content_hash", String(64), nullable=False),  # of recipient, sender, subject and body
    Column("author", String(80)),  # salted id of the person who wrote the text; NULL: the crafter
    Column("supersedes", String(40), unique=True),  # the approval whose text was edited
    Column("requested_at", String(32), nullable=False),
    Column("due_at", String(32), nullable=False),  # SLA: then a reminder
    Column("expires_at", String(32), nullable=False),  # then it is not sent
    Column("reminded_at", String(32)),
    Column("escalated_at", String(32)),
    Column("ended_at", String(32)),
    Column("ended_by", String(80)),  # salted id of the person, or `swarm`
    Column("ended_via", String(16)),  # slack | cli | console | mcp | swarm
    Column("reason_code", String(32)),
    Column("reason_text", Text),  # the person's words
    Column("audit_id", String(80)),  # record of how it ended
    Column("updated_at", String(32), nullable=False),
    CheckConstraint(
        "state in ('waiting', 'approved', 'rejected', 'expired', 'superseded', 'withdrawn')",
        name="state",
    ),
    Index(None, "state", "expires_at"),
    Index(None, "lead_id"),
    Index(None, "segment", "state"),
)

# Messages in Slack, each once: approval cards, and notices to a channel or a thread. Slack knows
# no idempotency, so a message is reserved here before it is posted and looked up after a doubt.
slack_messages = Table(
    "slack_messages",
    metadata,
    Column("message_id", String(80), primary_key=True),  # card:<approval> | notice:<what it is>
    Column("kind", String(16), nullable=False),  # card | notice
    Column("approval_id", String(40)),
    Column("reply_to", String(80)),  # message_id whose thread it belongs to
    Column("document", Text),  # of a notice: {"text": ..., "blocks": [...]}
    Column("state", String(16), nullable=False),  # new | posting | posted | failed
    Column("wanted", Integer, nullable=False),  # version that should be shown
    Column("shown", Integer, nullable=False),  # version that is shown; 0: none
    Column("channel", String(40)),
    Column("ts", String(40)),
    Column("attempts", Integer, nullable=False),
    Column("not_before", String(32)),
    Column("note", Text),
    Column("created_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    CheckConstraint("state in ('new', 'posting', 'posted', 'failed')", name="state"),
    Index(None, "state", "created_at"),
    Index(None, "approval_id"),
)

# What came in from outside, stored before it was answered. The id is what makes two deliveries
# the same; a body that cannot be understood is kept as junk.
inbox = Table(
    "inbox",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("source", String(16), nullable=False),  # an `inbox.Source`
    Column("kind", String(40), nullable=False),  # of the source, e.g. visitor, reply_received
    Column("state", String(16), nullable=False),  # new | done | junk | failed
    Column("body", Text),  # as received; NULL once erased
    Column("lead_id", String(80)),
    Column("attempts", Integer, nullable=False),
    Column("not_before", String(32)),
    Column("note", Text),
    Column("received_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    Column("claimed_by", String(40)),  # session of the worker that has it in hand
    CheckConstraint("state in ('new', 'done', 'junk', 'failed')", name="state"),
    Index(None, "state", "received_at"),
    Index(None, "lead_id"),
)

# What the bank has to learn: events with ids, of which the bank is the fold.
lessons = Table(
    "lessons",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("lead_id", String(80)),
    Column("document", Text, nullable=False),  # a Lesson as JSON
    Column("created_at", String(32), nullable=False),
    Index(None, "lead_id"),
    Index(None, "created_at"),
)

# What became of an e-mail, as the vendors and people said. Opens and clicks have no place here.
outcomes = Table(
    "outcomes",
    metadata,
    Column("outcome_id", String(80), primary_key=True),
    Column("kind", String(32), nullable=False),  # an OutcomeKind
    Column("reply_class", String(32)),  # of a reply: a ReplyClass
    Column("vendor", String(16), nullable=False),
    Column("lead_id", String(80)),
    Column("write_key", String(120)),  # the e-mail in the ledger
    Column("mailbox_hash", String(64)),
    Column("inbox_id", String(80)),
    Column("audit_id", String(80)),
    Column("at", String(32), nullable=False),  # when it happened
    Column("created_at", String(32), nullable=False),
    Index(None, "kind", "at"),
    Index(None, "lead_id"),
)

# Who is alive. One row for each process that should be.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", String(80), primary_key=True),  # queen@host, gateway@host, ...
    Column("pid", Integer, nullable=False),
    Column("host", String(120), nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("beat_at", String(32), nullable=False),
    Column("interval_s", Integer, nullable=False),
    Column("document", Text),  # what it says of itself
)
