-- People in the loop: approvals, Slack messages, what came in, lessons, outcomes, heartbeats.
-- Frozen once released.

CREATE TABLE approvals (
    approval_id VARCHAR(40) NOT NULL,
    decision_audit_id VARCHAR(80) NOT NULL,
    lead_id VARCHAR(80) NOT NULL,
    run_id VARCHAR(80) NOT NULL,
    "row" INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL,
    verdict VARCHAR(16) NOT NULL,
    segment VARCHAR(120) NOT NULL,
    first_of_segment BOOLEAN NOT NULL,
    tier INTEGER,
    content_hash VARCHAR(64) NOT NULL,
    author VARCHAR(80),
    supersedes VARCHAR(40),
    requested_at VARCHAR(32) NOT NULL,
    due_at VARCHAR(32) NOT NULL,
    expires_at VARCHAR(32) NOT NULL,
    reminded_at VARCHAR(32),
    escalated_at VARCHAR(32),
    ended_at VARCHAR(32),
    ended_by VARCHAR(80),
    ended_via VARCHAR(16),
    reason_code VARCHAR(32),
    reason_text TEXT,
    audit_id VARCHAR(80),
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_approvals PRIMARY KEY (approval_id),
    CONSTRAINT ck_approvals_state CHECK (state in ('waiting', 'approved', 'rejected', 'expired', 'superseded', 'withdrawn')),
    CONSTRAINT uq_approvals_decision_audit_id UNIQUE (decision_audit_id),
    CONSTRAINT uq_approvals_supersedes UNIQUE (supersedes)
);
CREATE INDEX ix_approvals_lead_id ON approvals (lead_id);
CREATE INDEX ix_approvals_segment_state ON approvals (segment, state);
CREATE INDEX ix_approvals_state_expires_at ON approvals (state, expires_at);

CREATE TABLE slack_messages (
    message_id VARCHAR(80) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    approval_id VARCHAR(40),
    reply_to VARCHAR(80),
    document TEXT,
    state VARCHAR(16) NOT NULL,
    wanted INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    channel VARCHAR(40),
    ts VARCHAR(40),
    attempts INTEGER NOT NULL,
    not_before VARCHAR(32),
    note TEXT,
    created_at VARCHAR(32) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_slack_messages PRIMARY KEY (message_id),
    CONSTRAINT ck_slack_messages_state CHECK (state in ('new', 'posting', 'posted', 'failed'))
);
CREATE INDEX ix_slack_messages_approval_id ON slack_messages (approval_id);
CREATE INDEX ix_slack_messages_state_created_at ON slack_messages (state, created_at);

CREATE TABLE inbox (
    id VARCHAR(80) NOT NULL,
    source VARCHAR(16) NOT NULL,
    kind VARCHAR(40) NOT NULL,
    state VARCHAR(16) NOT NULL,
    body TEXT,
    lead_id VARCHAR(80),
    attempts INTEGER NOT NULL,
    not_before VARCHAR(32),
    note TEXT,
    received_at VARCHAR(32) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_inbox PRIMARY KEY (id),
    CONSTRAINT ck_inbox_state CHECK (state in ('new', 'done', 'junk', 'failed'))
);
CREATE INDEX ix_inbox_lead_id ON inbox (lead_id);
CREATE INDEX ix_inbox_state_received_at ON inbox (state, received_at);

CREATE TABLE lessons (
    event_id VARCHAR(200) NOT NULL,
    lead_id VARCHAR(80),
    document TEXT NOT NULL,
    created_at VARCHAR(32) NOT NULL,
    folded_at VARCHAR(32),
    CONSTRAINT pk_lessons PRIMARY KEY (event_id)
);
CREATE INDEX ix_lessons_folded_at ON lessons (folded_at);
CREATE INDEX ix_lessons_lead_id ON lessons (lead_id);

CREATE TABLE outcomes (
    outcome_id VARCHAR(80) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    reply_class VARCHAR(32),
    vendor VARCHAR(16) NOT NULL,
    lead_id VARCHAR(80),
    write_key VARCHAR(120),
    mailbox_hash VARCHAR(64),
    inbox_id VARCHAR(80),
    audit_id VARCHAR(80),
    at VARCHAR(32) NOT NULL,
    created_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_outcomes PRIMARY KEY (outcome_id)
);
CREATE INDEX ix_outcomes_kind_at ON outcomes (kind, at);
CREATE INDEX ix_outcomes_lead_id ON outcomes (lead_id);

CREATE TABLE heartbeats (
    name VARCHAR(80) NOT NULL,
    pid INTEGER NOT NULL,
    host VARCHAR(120) NOT NULL,
    started_at VARCHAR(32) NOT NULL,
    beat_at VARCHAR(32) NOT NULL,
    interval_s INTEGER NOT NULL,
    document TEXT,
    CONSTRAINT pk_heartbeats PRIMARY KEY (name)
);
