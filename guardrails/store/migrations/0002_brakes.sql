-- The brakes: what processes share about vendors, money and failures. Frozen once released.

CREATE TABLE vendor_brakes (
    vendor VARCHAR(32) NOT NULL,
    document TEXT NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_vendor_brakes PRIMARY KEY (vendor)
);

CREATE TABLE breaker_events (
    event_id VARCHAR(80) NOT NULL,
    at VARCHAR(32) NOT NULL,
    vendor VARCHAR(32) NOT NULL,
    operation_class VARCHAR(16) NOT NULL,
    state VARCHAR(16) NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT pk_breaker_events PRIMARY KEY (event_id),
    CONSTRAINT ck_breaker_events_state CHECK (state in ('open', 'half_open', 'closed'))
);
CREATE INDEX ix_breaker_events_vendor_at ON breaker_events (vendor, at);

CREATE TABLE spend_days (
    day VARCHAR(10) NOT NULL,
    scope VARCHAR(32) NOT NULL,
    held_micros BIGINT NOT NULL,
    CONSTRAINT pk_spend_days PRIMARY KEY (day, scope)
);

CREATE TABLE spend_entries (
    entry_id VARCHAR(80) NOT NULL,
    day VARCHAR(10) NOT NULL,
    vendor VARCHAR(32) NOT NULL,
    operation VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    reserved_micros BIGINT NOT NULL,
    settled_micros BIGINT,
    lead_id VARCHAR(80),
    note TEXT,
    created_at VARCHAR(32) NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_spend_entries PRIMARY KEY (entry_id),
    CONSTRAINT ck_spend_entries_status CHECK (status in ('reserved', 'settled', 'released', 'unknown'))
);
CREATE INDEX ix_spend_entries_day_vendor ON spend_entries (day, vendor);
CREATE INDEX ix_spend_entries_status ON spend_entries (status);
CREATE INDEX ix_spend_entries_lead_id ON spend_entries (lead_id);

CREATE TABLE spend_alerts (
    day VARCHAR(10) NOT NULL,
    scope VARCHAR(32) NOT NULL,
    percent INTEGER NOT NULL,
    held_micros BIGINT NOT NULL,
    cap_micros BIGINT NOT NULL,
    at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_spend_alerts PRIMARY KEY (day, scope, percent)
);

CREATE TABLE failures (
    failure_id VARCHAR(80) NOT NULL,
    at VARCHAR(32) NOT NULL,
    server VARCHAR(32) NOT NULL,
    operation VARCHAR(64) NOT NULL,
    vendor VARCHAR(32),
    kind VARCHAR(32) NOT NULL,
    status INTEGER,
    signature VARCHAR(16) NOT NULL,
    detail TEXT NOT NULL,
    lead_id VARCHAR(80),
    run_id VARCHAR(80),
    attempt INTEGER NOT NULL,
    cost_micros BIGINT NOT NULL,
    injected VARCHAR(32),
    CONSTRAINT pk_failures PRIMARY KEY (failure_id)
);
CREATE INDEX ix_failures_signature_at ON failures (signature, at);
CREATE INDEX ix_failures_at ON failures (at);
CREATE INDEX ix_failures_lead_id ON failures (lead_id);

CREATE TABLE quarantined_leads (
    lead_id VARCHAR(80) NOT NULL,
    reason TEXT NOT NULL,
    failures INTEGER NOT NULL,
    at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_quarantined_leads PRIMARY KEY (lead_id)
);

CREATE TABLE chaos_events (
    event_id VARCHAR(80) NOT NULL,
    at VARCHAR(32) NOT NULL,
    site VARCHAR(80) NOT NULL,
    fault VARCHAR(32),
    attempt INTEGER NOT NULL,
    lead_id VARCHAR(80),
    run_id VARCHAR(80),
    CONSTRAINT pk_chaos_events PRIMARY KEY (event_id)
);
CREATE INDEX ix_chaos_events_run_id ON chaos_events (run_id);
