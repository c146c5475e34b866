-- The swarm's long-term memory in a Supabase project. May be run again: it makes what is missing.
-- Nobody but the service role (a secret key) writes or reads here; `swarm_dashboard` may read the
-- tables that tell of leads, and no lesson's words. No name, address or e-mail text stands in it:
-- people are salted ids.

CREATE TABLE IF NOT EXISTS public.swarm_schema (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Databases that send here, to tell whose salt is another's.
CREATE TABLE IF NOT EXISTS public.swarm_databases (
    key text PRIMARY KEY,
    salt_check text NOT NULL,
    sandbox boolean NOT NULL,
    version text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How a row of a run ended.
CREATE TABLE IF NOT EXISTS public.swarm_leads (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    lead_id text NOT NULL,
    run_id text NOT NULL,
    "row" integer NOT NULL,
    audit_id text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    reasons jsonb NOT NULL,
    mode text NOT NULL,
    score integer,
    tier integer,
    segment text,
    persona text,
    cost_micros bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The essentials of every audit record. With hash and seq a chain can be held against it.
CREATE TABLE IF NOT EXISTS public.swarm_decisions (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    audit_id text NOT NULL,
    chain text NOT NULL,
    seq bigint NOT NULL,
    hash text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    lead_id text,
    run_id text,
    decision_id text,
    verdict text,
    state text,
    reasons jsonb NOT NULL,
    mode text,
    policy_version text,
    bank_version text,
    template_hash text,
    content_hash text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- E-mails that went out.
CREATE TABLE IF NOT EXISTS public.swarm_touches (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    lead_id text NOT NULL,
    run_id text NOT NULL,
    audit_id text NOT NULL,
    channel text,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What became of them.
CREATE TABLE IF NOT EXISTS public.swarm_outcomes (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    lead_id text,
    kind text NOT NULL,
    reply_class text,
    vendor text NOT NULL,
    write_key text,
    audit_id text,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Events that banks are the fold of. `mac` is made with the hives' salt, which is not here: what
-- was altered or made up in this table is refused by every hive.
CREATE TABLE IF NOT EXISTS public.swarm_lessons (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    lead_id text,
    event jsonb NOT NULL,
    mac text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Whom nobody may write to, by keyed hash. It outlives the person's erasure.
CREATE TABLE IF NOT EXISTS public.swarm_suppressions (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The last record of each audit chain, now and then: truncation and rewriting show.
CREATE TABLE IF NOT EXISTS public.swarm_heads (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    chain text NOT NULL,
    seq bigint NOT NULL,
    hash text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- People who were forgotten: what is older and theirs is not taken in any more.
CREATE TABLE IF NOT EXISTS public.swarm_erasures (
    key text PRIMARY KEY,
    origin text NOT NULL,
    sandbox boolean NOT NULL,
    lead_id text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS swarm_leads_lead_id ON public.swarm_leads (lead_id);
CREATE INDEX IF NOT EXISTS swarm_decisions_lead_id ON public.swarm_decisions (lead_id);
CREATE INDEX IF NOT EXISTS swarm_decisions_chain ON public.swarm_decisions (chain, seq);
CREATE INDEX IF NOT EXISTS swarm_touches_lead_id ON public.swarm_touches (lead_id);
CREATE INDEX IF NOT EXISTS swarm_outcomes_lead_id ON public.swarm_outcomes (lead_id);
CREATE INDEX IF NOT EXISTS swarm_lessons_recorded_at ON public.swarm_lessons (recorded_at, key);
CREATE INDEX IF NOT EXISTS swarm_erasures_lead_id ON public.swarm_erasures (lead_id);

-- A fact that was on its way while its person was forgotten does not come in any more.
CREATE OR REPLACE FUNCTION public.swarm_keep_forgotten() RETURNS trigger
    LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM public.swarm_erasures e WHERE e.lead_id = NEW.lead_id AND e.at >= NEW.at
    ) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

-- The words of a lesson about somebody who was forgotten neither; what it counts for stays. And a
-- lesson that was written anew is new to whoever reads by time.
CREATE OR REPLACE FUNCTION public.swarm_keep_silent() RETURNS trigger
    LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF NEW.event ->> 'text' <> '' AND EXISTS (
        SELECT 1 FROM public.swarm_erasures e WHERE e.lead_id = NEW.lead_id AND e.at >= NEW.at
    ) THEN
        RETURN NULL;
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER swarm_forgotten BEFORE INSERT ON public.swarm_leads
    FOR EACH ROW EXECUTE FUNCTION public.swarm_keep_forgotten();
CREATE OR REPLACE TRIGGER swarm_forgotten BEFORE INSERT ON public.swarm_decisions
    FOR EACH ROW EXECUTE FUNCTION public.swarm_keep_forgotten();
CREATE OR REPLACE TRIGGER swarm_forgotten BEFORE INSERT ON public.swarm_touches
    FOR EACH ROW EXECUTE FUNCTION public.swarm_keep_forgotten();
CREATE OR REPLACE TRIGGER swarm_forgotten BEFORE INSERT ON public.swarm_outcomes
    FOR EACH ROW EXECUTE FUNCTION public.swarm_keep_forgotten();
CREATE OR REPLACE TRIGGER swarm_forgotten BEFORE INSERT OR UPDATE ON public.swarm_lessons
    FOR EACH ROW EXECUTE FUNCTION public.swarm_keep_silent();

-- Everything known of a person in one question; what must never be missed comes first.
CREATE OR REPLACE VIEW public.swarm_history WITH (security_invoker = true) AS
    SELECT key AS who, 0 AS weight, at, 'suppression' AS what, reason AS kind, source AS detail,
           NULL::text AS mode, origin, sandbox, key
      FROM public.swarm_suppressions
    UNION ALL
    SELECT lead_id,
           CASE WHEN kind IN ('complaint', 'unsubscribe', 'bounce', 'dnd') THEN 1 ELSE 3 END,
           at, 'outcome', kind, reply_class, NULL, origin, sandbox, key
      FROM public.swarm_outcomes WHERE lead_id IS NOT NULL
    UNION ALL
    SELECT lead_id, 2, at, 'touch', channel, NULL, NULL, origin, sandbox, key
      FROM public.swarm_touches
    UNION ALL
    SELECT lead_id, 4, at, 'lead', state, NULL, mode, origin, sandbox, key
      FROM public.swarm_leads;

-- No public access: row security without a policy hides everything from anon and authenticated,
-- and they have no right to ask either. The service role is bound by neither.
DO $$
DECLARE
    name text;
    who text;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'swarm_dashboard') THEN
        CREATE ROLE swarm_dashboard NOLOGIN NOINHERIT;
    END IF;
    FOREACH name IN ARRAY ARRAY[
        'swarm_schema', 'swarm_databases', 'swarm_leads', 'swarm_decisions', 'swarm_touches',
        'swarm_outcomes', 'swarm_lessons', 'swarm_suppressions', 'swarm_heads', 'swarm_erasures'
    ] LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'swarm_schema', 'swarm_databases', 'swarm_leads', 'swarm_decisions', 'swarm_touches',
        'swarm_outcomes', 'swarm_lessons', 'swarm_suppressions', 'swarm_heads', 'swarm_erasures',
        'swarm_history'
    ] LOOP
        EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC', name);
        FOREACH who IN ARRAY ARRAY['anon', 'authenticated'] LOOP
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = who) THEN
                EXECUTE format('REVOKE ALL ON public.%I FROM %I', name, who);
            END IF;
        END LOOP;
        IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'service_role') THEN
            EXECUTE format(
                'GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO service_role', name
            );
        END IF;
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'swarm_leads', 'swarm_decisions', 'swarm_touches', 'swarm_outcomes', 'swarm_heads'
    ] LOOP
        EXECUTE format('GRANT SELECT ON public.%I TO swarm_dashboard', name);
        IF NOT EXISTS (
            SELECT 1 FROM pg_policies
             WHERE schemaname = 'public' AND tablename = name AND policyname = 'swarm_dashboard'
        ) THEN
            EXECUTE format(
                'CREATE POLICY swarm_dashboard ON public.%I FOR SELECT TO swarm_dashboard '
                'USING (true)', name
            );
        END IF;
    END LOOP;
    GRANT USAGE ON SCHEMA public TO swarm_dashboard;
    REVOKE EXECUTE ON FUNCTION public.swarm_keep_forgotten() FROM PUBLIC;
    REVOKE EXECUTE ON FUNCTION public.swarm_keep_silent() FROM PUBLIC;
END $$;

INSERT INTO public.swarm_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
NOTIFY pgrst, 'reload schema';
