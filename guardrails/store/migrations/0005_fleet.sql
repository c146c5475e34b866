-- Many machines on one database, and the long-term memory's way out.

-- One row for each hive that works here; a session is one life of its queen.
CREATE TABLE workers (
    worker VARCHAR(80) NOT NULL,
    session VARCHAR(40) NOT NULL,
    host VARCHAR(120) NOT NULL,
    pid INTEGER NOT NULL,
    version VARCHAR(40) NOT NULL,
    mode VARCHAR(16) NOT NULL,
    started_at VARCHAR(32) NOT NULL,
    beat_at VARCHAR(32) NOT NULL,
    lease_until VARCHAR(32) NOT NULL,
    ended_at VARCHAR(32),
    document TEXT,
    CONSTRAINT pk_workers PRIMARY KEY (worker)
);
CREATE INDEX ix_workers_session ON workers (session);

-- Scheduled work that one of them does at a time.
CREATE TABLE duties (
    name VARCHAR(40) NOT NULL,
    holder VARCHAR(80) NOT NULL,
    until VARCHAR(32) NOT NULL,
    CONSTRAINT pk_duties PRIMARY KEY (name)
);

-- What all hives of one database must have in common.
CREATE TABLE fleet (
    id INTEGER NOT NULL,
    salt_check VARCHAR(64) NOT NULL,
    created_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_fleet PRIMARY KEY (id),
    CONSTRAINT ck_fleet_single_row CHECK (id = 1)
);

-- The session that works on a row.
ALTER TABLE run_items ADD COLUMN claimed_by VARCHAR(40);
ALTER TABLE deliveries ADD COLUMN claimed_by VARCHAR(40);
ALTER TABLE inbox ADD COLUMN claimed_by VARCHAR(40);

-- Whoever started it ended it before its rows had: it waits for the same command.
ALTER TABLE runs ADD COLUMN left_at VARCHAR(32);

-- What is still to be done, however much has ended: the queen asks for it all the time.
CREATE INDEX ix_run_items_open ON run_items (run_id, row) WHERE state IS NULL;
CREATE INDEX ix_deliveries_state_not_before ON deliveries (state, not_before);

-- Which hive's bank holds which lesson. All are folded once more, which changes no bank.
DROP INDEX ix_lessons_folded_at;
ALTER TABLE lessons DROP COLUMN folded_at;
CREATE TABLE lesson_folds (
    chain VARCHAR(80) NOT NULL,
    event_id VARCHAR(200) NOT NULL,
    folded_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_lesson_folds PRIMARY KEY (chain, event_id)
);
CREATE INDEX ix_lessons_created_at ON lessons (created_at);

-- The record itself, where other machines cannot read this one's files.
ALTER TABLE audit_index ADD COLUMN line TEXT;

CREATE TABLE memory_outbox (
    outbox_id VARCHAR(80) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    key VARCHAR(200) NOT NULL,
    lead_id VARCHAR(80),
    document TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    not_before VARCHAR(32),
    note TEXT,
    created_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_memory_outbox PRIMARY KEY (outbox_id)
);
CREATE INDEX ix_memory_outbox_lead_id ON memory_outbox (lead_id);

CREATE TABLE memory_cursors (
    name VARCHAR(40) NOT NULL,
    position TEXT NOT NULL,
    updated_at VARCHAR(32) NOT NULL,
    CONSTRAINT pk_memory_cursors PRIMARY KEY (name)
);

-- Erasing and looking up a person goes by this.
CREATE INDEX ix_writes_recipient_hash ON writes (recipient_hash);
