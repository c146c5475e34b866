"""The one composition root. Owns: which parts exist and how they are joined.

Nothing else constructs an adapter, opens a database or starts a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from guardrails import tracing
from guardrails.approvals import Approvals
from guardrails.audit import AuditLog
from guardrails.audit.anchors import HeadNotes
from guardrails.bank import Bank, load_seed_lessons
from guardrails.bootstrap_hive import ensure_hive
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import Clock, shifted, utc_now
from guardrails.config import Config, config_path, load_config
from guardrails.errors import AuditBroken, BankUnreadable
from guardrails.heartbeats import host_name, tag_of
from guardrails.hive import Hive
from guardrails.leases import Holder
from guardrails.ledger import Ledger
from guardrails.model import Mode
from guardrails.readiness_model import Standing
from guardrails.store import Store, open_store
from guardrails.versions import with_mode
from orchestrator.approvals.opening import open_approvals
from orchestrator.arenas import share_arenas
from orchestrator.children import Children
from orchestrator.deliver import WORKFLOW as DELIVER
from orchestrator.deliver import DeliverLead
from orchestrator.deliver_crm import FollowUp
from orchestrator.deliver_mail import Post
from orchestrator.deliver_writes import Writer
from orchestrator.deliveries import Deliveries
from orchestrator.earned import about, mode_in_force, tell
from orchestrator.engine import APPLICATION_VERSION, Engine
from orchestrator.environment import Environment
from orchestrator.fleet.claims import Claims
from orchestrator.fleet.membership import Membership
from orchestrator.incidents import Incidents
from orchestrator.letters import Letters
from orchestrator.logs import logging_to
from orchestrator.memory.aide import Aide
from orchestrator.memory.opening import MODULE as MEMORY_MODULE
from orchestrator.memory.opening import NAME as MEMORY
from orchestrator.memory.opening import aide_of, has_memory, started, switch
from orchestrator.options import LIMITED, SERVERS, Options, nursery_of, server_spec
from orchestrator.prepare import WORKFLOW, PrepareLead
from orchestrator.pulse import Sign, alive
from orchestrator.runs import Runs
from orchestrator.triage import Triage
from orchestrator.twins import Twins, joined_twins, running_twins, sandbox_offset


@dataclass(frozen=True)
class Swarm:
    """A running queen with all her servers."""

    config: Config
    mode: Mode
    sandbox: bool
    hive: Hive
    store: Store
    runs: Runs
    children: Children
    engine: Engine
    twins: Twins | None
    clock: Clock
    concurrency: int
    deliveries: Deliveries
    audit: AuditLog
    approvals: Approvals
    sign: Sign
    standing: Standing
    members: Membership
    aide: Aide | None  # the long-term memory's process, where there is one
    claims: Claims


def open_hive(options: Options, config: Config, clock: Clock = utc_now) -> Hive:
    """The hive of these options, created with its bank when it is brand new.

    The sandbox's bank starts with sample lessons, so that there is a past to learn from.
    """
    lessons = None
    if options.sandbox:
        lessons = load_seed_lessons(config_path("sandbox_lessons.json", options.config_path))
    hive = ensure_hive(options.hive, options.sandbox, config, clock, lessons)
    # An edited golden set counts from the next start on. A bank that cannot be read is the gate's
    # to refuse, lead by lead.
    with contextlib.suppress(BankUnreadable):
        Bank.open(hive.bank_file, config.policy.bank, clock).sync_golden(config.golden_set)
    return hive


def require_whole_audit(hive: Hive, store: Store, clock: Clock = utc_now) -> None:
    """Look at the whole chain; appending looks at its end only.

    Raises:
        AuditBroken: a record was edited, removed or forged, wherever it stands.
    """
    audit = AuditLog(hive, store, clock)
    try:
        report = audit.verify()
    finally:
        audit.close()
    if not report.ok:
        raise AuditBroken(f"the audit does not hold: {report.problem}")


@contextlib.asynccontextmanager
async def running_swarm(options: Options, environment: Environment) -> AsyncIterator[Swarm]:
    """Start everything, in the order in which the parts need each other; end it in reverse.

    Args:
        options: from the command line.
        environment: variables found; critical ones are required unless `options.sandbox`.

    Raises:
        MissingVariables: without --sandbox, a critical variable is not set.
        ConfigError: configuration, hive or lock.
        AuditBroken: the audit does not hold.
        ServerUnavailable: a server does not start.
    """
    share_arenas()
    config = load_config(options.config_path)
    offset_s = sandbox_offset(environment.values, sandbox=options.sandbox)
    clock = shifted(offset_s)
    if not options.sandbox:
        environment.require()
    async with contextlib.AsyncExitStack() as stack:
        hive = open_hive(options, config, clock)
        stack.enter_context(logging_to(hive.logs_dir / "queen.log"))
        tracing.begin("queen", environment.values.get(tracing.ENDPOINT))
        stack.callback(tracing.end)
        remembers = options.remembers and has_memory(environment.values, sandbox=options.sandbox)
        more = (MEMORY_MODULE,) if remembers else ()
        nursery = nursery_of(hive, more, options.begun)
        await stack.enter_async_context(nursery)  # it imports meanwhile
        twins = await _twins(stack, options, offset_s)
        if twins is not None:
            environment = environment.with_values(twins.env)
        database_url = environment.values.get("SWARM_DATABASE_URL")
        store = open_store(hive, database_url)
        stack.callback(store.close)
        await asyncio.to_thread(require_whole_audit, hive, store, clock)
        must_earn = options.must_earn or not options.sandbox
        standing = mode_in_force(hive, store, config, options.mode, clock, must_earn=must_earn)
        tell(standing)
        mode = standing.mode
        config = with_mode(config, mode)
        runs = Runs(store, clock, config.production.approvals)
        work = config.production.work
        members = Membership(
            store, _holder(hive, mode), work.lease_seconds, work.lease_renew_seconds
        )
        deliveries = Deliveries(store, clock, lambda: members.session)
        concurrency = options.concurrency or config.production.work.concurrency
        quarantine = Quarantine(store, clock)
        tracker = FailureTracker(store, hive, clock, "queen")
        await tracker.absorb_pending()  # what could not be written while the database was away
        incidents = Incidents(tracker, quarantine, config.production.work.quarantine_after)
        stack.push_async_callback(incidents.drain)
        children = Children(
            [server_spec(name, options, hive, mode, environment) for name in SERVERS],
            hive.logs_dir,
            config.production.work.call_timeout_s,
            incidents,
            nursery,
        )
        engine = Engine(hive, database_url, members.executor)
        triage = Triage(config, clock, sandbox=options.sandbox)
        await switch(store, clock, on=remembers, sandbox=options.sandbox)
        known_env = server_spec(MEMORY, options, hive, mode, environment).env
        aide = aide_of(hive, known_env, nursery) if remembers else None
        prepare = PrepareLead(
            config, engine, children, runs, triage, quarantine,
            sandbox=options.sandbox, recaller=aide,
        )  # fmt: skip
        engine.register(WORKFLOW, prepare.workflow)
        audit = AuditLog(hive, store, clock)
        stack.callback(audit.close)
        stack.push_async_callback(HeadNotes(hive, store, audit).note_last)
        ledger = Ledger.of(config.production, store, clock, hive.salt())
        await store.run(ledger.sweep)  # whose process died long ago: a person's, or the vendor's
        letters = Letters(audit, store)
        deliver = _deliver_lead(
            config, engine, children, deliveries, letters, ledger, store, clock, aide
        )
        engine.register(DELIVER, deliver.workflow)
        # The lock comes first, so that a second queen starts no servers; the launch comes last,
        # because workflows that are gone on with call the servers at once.
        engine.lock()
        stack.callback(engine.unlock)
        await stack.enter_async_context(members)
        await stack.enter_async_context(children)
        await stack.enter_async_context(started(aide))
        await stack.enter_async_context(engine)
        known = about(standing, sandbox=options.sandbox)
        tag = tag_of(hive, shared=bool(database_url))
        pulse = alive(store, children, config.production.monitor, work.call_timeout_s, known, tag)
        sign = await stack.enter_async_context(pulse)
        yield Swarm(
            config=config,
            mode=mode,
            sandbox=options.sandbox,
            hive=hive,
            store=store,
            runs=runs,
            children=children,
            engine=engine,
            twins=twins,
            clock=clock,
            concurrency=concurrency,
            deliveries=deliveries,
            audit=audit,
            approvals=open_approvals(config, hive, store, audit, clock, environment),
            sign=sign,
            standing=standing,
            members=members,
            aide=aide,
            claims=Claims(store, clock, members, mode),
        )


def _deliver_lead(
    config: Config,
    engine: Engine,
    children: Children,
    deliveries: Deliveries,
    letters: Letters,
    ledger: Ledger,
    store: Store,
    clock: Clock,
    aide: Aide | None,
) -> DeliverLead:
    rules = config.production.delivery
    writer = Writer(children, ledger, store, clock, permit_seconds=rules.permit_seconds)
    return DeliverLead(
        engine,
        children,
        deliveries,
        letters,
        Post(config, children, writer, clock),
        FollowUp(rules, children, writer, clock),
        writer,
        clock,
        config.production.mode,
        aide,
    )


def _holder(hive: Hive, mode: Mode) -> Holder:
    return Holder(hive.chain_id(), host_name(), os.getpid(), APPLICATION_VERSION, mode.value)


async def _twins(
    stack: contextlib.AsyncExitStack, options: Options, offset_s: float
) -> Twins | None:
    if not options.sandbox:
        return None
    if options.twins_port is not None:
        return await stack.enter_async_context(joined_twins(options.twins_port, offset_s))
    limits = LIMITED if options.vendor_limits else ()
    return await stack.enter_async_context(running_twins(rate_limits=limits, offset_s=offset_s))
