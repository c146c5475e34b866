-- First light. Portable between SQLite and PostgreSQL; frozen once released.

CREATE TABLE audit_heads (
    chain VARCHAR(80) NOT NULL,
    seq BIGINT NOT NULL,
    hash VARCHAR(64) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_audit_heads PRIMARY KEY (chain)
);

CREATE TABLE audit_index (
    chain VARCHAR(80) NOT NULL,
    seq BIGINT NOT NULL,
    audit_id VARCHAR(80) NOT NULL,
    decision_id VARCHAR(80),
    lead_id VARCHAR(80),
    run_id VARCHAR(80),
    day VARCHAR(10) NOT NULL,
    "offset" BIGINT NOT NULL,
    hash VARCHAR(64) NOT NULL,
    CONSTRAINT pk_audit_index PRIMARY KEY (chain, seq),
    CONSTRAINT uq_audit_index_audit_id UNIQUE (audit_id),
    CONSTRAINT uq_audit_index_decision_id UNIQUE (decision_id)
);
CREATE INDEX ix_audit_index_lead_id_seq ON audit_index (lead_id, seq);

CREATE TABLE documents (
    digest VARCHAR(64) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    lead_id VARCHAR(80),
    document TEXT,
    created_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_documents PRIMARY KEY (digest)
);
CREATE INDEX ix_documents_lead_id ON documents (lead_id);

CREATE TABLE enrichment_cache (
    key VARCHAR(120) NOT NULL,
    lead_id VARCHAR(80),
    document TEXT NOT NULL,
    fetched_at VARCHAR(32) NOT NULL,
    expires_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_enrichment_cache PRIMARY KEY (key)
);
CREATE INDEX ix_enrichment_cache_lead_id ON enrichment_cache (lead_id);

CREATE TABLE paid_runs (
    key VARCHAR(120) NOT NULL,
    vendor VARCHAR(32) NOT NULL,
    status VARCHAR(16) NOT NULL,
    vendor_run_id VARCHAR(120),
    cost_micros BIGINT NOT NULL,
    created_at VARCHAR(32) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_paid_runs PRIMARY KEY (key)
);

CREATE TABLE run_items (
    run_id VARCHAR(80) NOT NULL,
    row INTEGER NOT NULL,
    lead_id VARCHAR(80) NOT NULL,
    state VARCHAR(32),
    lead TEXT,
    result TEXT,
    audit_id VARCHAR(80),
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_run_items PRIMARY KEY (run_id, row)
);
CREATE INDEX ix_run_items_lead_id ON run_items (lead_id);
CREATE INDEX ix_run_items_run_id_state ON run_items (run_id, state);

CREATE TABLE runs (
    run_id VARCHAR(80) NOT NULL,
    run_key VARCHAR(80) NOT NULL,
    mode VARCHAR(16) NOT NULL,
    sandbox BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    status VARCHAR(16) NOT NULL,
    total INTEGER,
    created_at VARCHAR(32) NOT NULL,
    finished_at VARCHAR(32),
    CONSTRAINT pk_runs PRIMARY KEY (run_id),
    CONSTRAINT ck_runs_status CHECK (status in ('running', 'finished', 'abandoned'))
);
CREATE INDEX ix_runs_run_key_created_at ON runs (run_key, created_at);

CREATE TABLE shadow_emails (
    run_id VARCHAR(80) NOT NULL,
    row INTEGER NOT NULL,
    email_id VARCHAR(80) NOT NULL,
    lead_id VARCHAR(80) NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_shadow_emails PRIMARY KEY (run_id, row)
);
CREATE INDEX ix_shadow_emails_email_id ON shadow_emails (email_id);
CREATE INDEX ix_shadow_emails_lead_id ON shadow_emails (lead_id);

CREATE TABLE spent_permits (
    permit_id VARCHAR(80) NOT NULL,
    action VARCHAR(64) NOT NULL,
    spent_at VARCHAR(32) NOT NULL,
    spent_by VARCHAR(80) NOT NULL,
    CONSTRAINT pk_spent_permits PRIMARY KEY (permit_id)
);

CREATE TABLE stop_state (
    id INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    stopped BOOLEAN NOT NULL,
    reason TEXT,
    actor TEXT,
    changed_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_stop_state PRIMARY KEY (id),
    CONSTRAINT ck_stop_state_single_row CHECK (id = 1)
);

CREATE TABLE suppressions (
    subject_hash VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    reason VARCHAR(64) NOT NULL,
    source VARCHAR(64) NOT NULL,
    created_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_suppressions PRIMARY KEY (subject_hash)
);

-- The kill switch has its row from the start: a missing row means a torn database.
INSERT INTO stop_state (id, epoch, stopped, changed_at)
VALUES (1, 0, FALSE, '1970-01-01T00:00:00.000000Z');
