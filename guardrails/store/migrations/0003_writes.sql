-- Writes at vendors, deliveries, and pauses of sending. Frozen once released.

CREATE TABLE writes (
    key VARCHAR(120) NOT NULL,
    vendor VARCHAR(32) NOT NULL,
    action VARCHAR(64) NOT NULL,
    recipient_hash VARCHAR(64) NOT NULL,
    content_hash VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    counts BOOLEAN NOT NULL,
    lead_id VARCHAR(80),
    run_id VARCHAR(80),
    decision_audit_id VARCHAR(80),
    mailbox_hash VARCHAR(64),
    domain_hash VARCHAR(64),
    permit_id VARCHAR(80),
    vendor_ref VARCHAR(200),
    result TEXT,
    note TEXT,
    claimed_at VARCHAR(32),
    dispatched_at VARCHAR(32),
    ended_at VARCHAR(32),
    created_at VARCHAR(32) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_writes PRIMARY KEY (key),
    CONSTRAINT ck_writes_status CHECK (status in ('pending', 'claimed', 'dispatching', 'sent', 'failed', 'unknown'))
);
CREATE INDEX ix_writes_counts_claimed_at ON writes (counts, claimed_at);
CREATE INDEX ix_writes_status ON writes (status);
CREATE INDEX ix_writes_lead_id ON writes (lead_id);

CREATE TABLE sending_pauses (
    scope VARCHAR(120) NOT NULL,
    until VARCHAR(32) NOT NULL,
    reason TEXT NOT NULL,
    at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_sending_pauses PRIMARY KEY (scope)
);

CREATE TABLE deliveries (
    delivery_id VARCHAR(80) NOT NULL,
    lead_id VARCHAR(80) NOT NULL,
    run_id VARCHAR(80) NOT NULL,
    row INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL,
    channel VARCHAR(16),
    not_before VARCHAR(32),
    reasons TEXT,
    created_at VARCHAR(32) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_deliveries PRIMARY KEY (delivery_id),
    CONSTRAINT ck_deliveries_state CHECK (state in ('queued', 'deferred', 'sent', 'refused', 'failed', 'unknown'))
);
CREATE INDEX ix_deliveries_run_id_state ON deliveries (run_id, state);
CREATE INDEX ix_deliveries_lead_id ON deliveries (lead_id);
