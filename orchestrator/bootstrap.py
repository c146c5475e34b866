"""The one composition root. Owns: which parts exist and how they are joined.

Nothing else constructs an adapter, opens a database or starts a process; what they stand on is
`ground`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from guardrails.approvals import Approvals
from guardrails.audit import AuditLog
from guardrails.audit.anchors import HeadNotes
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.heartbeats import host_name, tag_of
from guardrails.hive import Hive
from guardrails.leases import Holder
from guardrails.ledger import Ledger
from guardrails.model import Mode
from guardrails.readiness_model import Standing
from guardrails.store import Store
from orchestrator.approvals.opening import open_approvals
from orchestrator.arenas import share_arenas
from orchestrator.children import Children
from orchestrator.deliver import WORKFLOW as DELIVER
from orchestrator.deliver import DeliverLead
from orchestrator.deliver_crm import FollowUp
from orchestrator.deliver_mail import Post
from orchestrator.deliver_writes import Writer
from orchestrator.deliveries import Deliveries
from orchestrator.earned import about
from orchestrator.engine import APPLICATION_VERSION, Engine
from orchestrator.environment import Environment
from orchestrator.fleet.claims import Claims
from orchestrator.fleet.membership import Membership
from orchestrator.ground import Ground, grounded
from orchestrator.incidents import Incidents
from orchestrator.letters import Letters
from orchestrator.memory.aide import Aide
from orchestrator.memory.opening import NAME as MEMORY
from orchestrator.memory.opening import aide_of, started, switch
from orchestrator.options import SERVERS, Options
from orchestrator.prepare import WORKFLOW, PrepareLead
from orchestrator.pulse import Sign, alive
from orchestrator.runs import Runs
from orchestrator.triage import Triage
from orchestrator.twins import Twins


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
    async with contextlib.AsyncExitStack() as stack:
        ground = await grounded(stack, options, environment)
        swarm = await _joined(stack, ground)
        # The lock comes first, so that a second queen starts no servers; the launch comes last,
        # because workflows that are gone on with call the servers at once.
        swarm.engine.lock()
        stack.callback(swarm.engine.unlock)
        await stack.enter_async_context(swarm.members)
        await stack.enter_async_context(swarm.children)
        await stack.enter_async_context(started(swarm.aide))
        await stack.enter_async_context(swarm.engine)
        await stack.enter_async_context(_pulse(ground, swarm))
        yield swarm


async def _joined(stack: contextlib.AsyncExitStack, ground: Ground) -> Swarm:
    """Every part, none of them started."""
    config, hive, store, clock = ground.config, ground.hive, ground.store, ground.clock
    runs = Runs(store, clock, config.production.approvals)
    members = _members(ground)
    deliveries = Deliveries(store, clock, lambda: members.session)
    quarantine = Quarantine(store, clock)
    children = await _children(stack, ground, quarantine)
    engine = Engine(hive, ground.database_url, members.executor)
    await switch(store, clock, on=ground.remembers, sandbox=ground.options.sandbox)
    aide = aide_of(hive, ground.spec(MEMORY).env, ground.nursery) if ground.remembers else None
    prepare = PrepareLead(
        config, engine, children, runs, Triage(config, clock, sandbox=ground.options.sandbox),
        quarantine, sandbox=ground.options.sandbox, recaller=aide,
    )  # fmt: skip
    engine.register(WORKFLOW, prepare.workflow)
    audit = AuditLog(hive, store, clock)
    stack.callback(audit.close)
    stack.push_async_callback(HeadNotes(hive, store, audit).note_last)
    deliver = await _deliver_lead(ground, engine, children, deliveries, audit, aide)
    engine.register(DELIVER, deliver.workflow)
    return Swarm(
        config=config,
        mode=ground.mode,
        sandbox=ground.options.sandbox,
        hive=hive,
        store=store,
        runs=runs,
        children=children,
        engine=engine,
        twins=ground.twins,
        clock=clock,
        concurrency=ground.options.concurrency or config.production.work.concurrency,
        deliveries=deliveries,
        audit=audit,
        approvals=open_approvals(config, hive, store, audit, clock, ground.environment),
        sign=Sign(),
        standing=ground.standing,
        members=members,
        aide=aide,
        claims=Claims(store, clock, members, ground.mode),
    )


def _members(ground: Ground) -> Membership:
    work = ground.config.production.work
    holder = Holder(
        ground.hive.chain_id(), host_name(), os.getpid(), APPLICATION_VERSION, ground.mode.value
    )
    return Membership(ground.store, holder, work.lease_seconds, work.lease_renew_seconds)


async def _children(
    stack: contextlib.AsyncExitStack, ground: Ground, quarantine: Quarantine
) -> Children:
    work = ground.config.production.work
    tracker = FailureTracker(ground.store, ground.hive, ground.clock, "queen")
    await tracker.absorb_pending()  # what could not be written while the database was away
    incidents = Incidents(tracker, quarantine, work.quarantine_after)
    stack.push_async_callback(incidents.drain)
    specs = [ground.spec(name) for name in SERVERS]
    logs = ground.hive.logs_dir
    return Children(specs, logs, work.call_timeout_s, incidents, ground.nursery)


async def _deliver_lead(
    ground: Ground,
    engine: Engine,
    children: Children,
    deliveries: Deliveries,
    audit: AuditLog,
    aide: Aide | None,
) -> DeliverLead:
    config, store, clock = ground.config, ground.store, ground.clock
    rules = config.production.delivery
    ledger = Ledger.of(config.production, store, clock, ground.hive.salt())
    await store.run(ledger.sweep)  # whose process died long ago: a person's, or the vendor's
    writer = Writer(children, ledger, store, clock, permit_seconds=rules.permit_seconds)
    return DeliverLead(
        engine,
        children,
        deliveries,
        Letters(audit, store),
        Post(config, children, writer, clock),
        FollowUp(rules, children, writer, clock),
        writer,
        clock,
        ground.mode,
        aide,
    )


def _pulse(ground: Ground, swarm: Swarm) -> contextlib.AbstractAsyncContextManager[None]:
    production = ground.config.production
    return alive(
        ground.store,
        swarm.children,
        production.monitor,
        production.work.call_timeout_s,
        swarm.sign,
        about=about(ground.standing, sandbox=ground.options.sandbox),
        tag=tag_of(ground.hive, shared=bool(ground.database_url)),
    )
