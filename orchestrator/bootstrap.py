"""The one composition root. Owns: which parts exist and how they are joined.

Nothing else constructs an adapter, opens a database or starts a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from guardrails.audit import AuditLog
from guardrails.bank import Bank, load_seed_lessons
from guardrails.bootstrap_hive import ensure_hive
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import Clock, utc_now
from guardrails.config import Config, config_dir, config_path, load_config
from guardrails.errors import AuditBroken, BankUnreadable
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store, open_store
from orchestrator.children import Children, ServerSpec
from orchestrator.engine import Engine
from orchestrator.environment import Environment
from orchestrator.incidents import Incidents
from orchestrator.logs import logging_to
from orchestrator.prepare import WORKFLOW, PrepareLead
from orchestrator.runs import Runs
from orchestrator.triage import Triage
from orchestrator.twins import Twins, running_twins

SERVERS = ("hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")
DEFAULT_HIVE = Path(".hive-mind")
# Whose published limits the twins enforce when asked to. News sources are left out: at one request
# in five seconds nothing else could be seen.
LIMITED = ("ghl", "instantly", "clay", "rb2b")
_M_ARENA_MAX = -8  # of glibc's malloc.h


@dataclass(frozen=True)
class Options:
    """What a command line says. `mode` can only lower the configured one."""

    hive: Path
    sandbox: bool
    config_path: Path | None = None
    mode: Mode | None = None
    concurrency: int | None = None
    hunter_roots: tuple[Path, ...] = ()
    vendor_limits: bool = False  # sandbox: the twins enforce the vendors' limits, and we keep them


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


def effective_mode(config: Config, wanted: Mode | None) -> Mode:
    """The lower of the configured and the wanted mode."""
    stated = config.production.mode
    return stated if wanted is None or wanted.rank >= stated.rank else wanted


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


def share_arenas() -> None:
    """Have the engine's threads share two heaps (glibc; elsewhere nothing happens).

    With a heap for each of its thirty threads the queen's memory grows for thousands of leads.
    """
    libc = ctypes.CDLL(None)
    if sys.platform.startswith("linux") and hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)


def require_whole_audit(hive: Hive, store: Store) -> None:
    """Look at the whole chain; appending looks at its end only.

    Raises:
        AuditBroken: a record was edited, removed or forged, wherever it stands.
    """
    audit = AuditLog(hive, store, utc_now)
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
    mode = effective_mode(config, options.mode)
    if not options.sandbox:
        environment.require()
    async with contextlib.AsyncExitStack() as stack:
        hive = open_hive(options, config)
        stack.enter_context(logging_to(hive.logs_dir / "queen.log"))
        twins = await stack.enter_async_context(_twins(options)) if options.sandbox else None
        if twins is not None:
            environment = environment.with_values(twins.env)
        database_url = environment.values.get("SWARM_DATABASE_URL")
        store = open_store(hive, database_url)
        stack.callback(store.close)
        await asyncio.to_thread(require_whole_audit, hive, store)
        runs = Runs(store, utc_now)
        concurrency = options.concurrency or config.production.work.concurrency
        quarantine = Quarantine(store, utc_now)
        tracker = FailureTracker(store, hive, utc_now, "queen")
        await tracker.absorb_pending()  # what could not be written while the database was away
        incidents = Incidents(tracker, quarantine, config.production.work.quarantine_after)
        stack.push_async_callback(incidents.drain)
        children = Children(
            [server_spec(name, options, hive, mode, environment) for name in SERVERS],
            hive.logs_dir,
            config.production.work.call_timeout_s,
            incidents,
        )
        engine = Engine(hive, database_url)
        triage = Triage(config, utc_now, sandbox=options.sandbox)
        prepare = PrepareLead(
            config, engine, children, runs, triage, quarantine, sandbox=options.sandbox
        )
        engine.register(WORKFLOW, prepare.workflow)
        # The lock comes first, so that a second queen starts no servers; the launch comes last,
        # because recovered workflows call the servers at once.
        engine.lock()
        stack.callback(engine.unlock)
        await stack.enter_async_context(children)
        await stack.enter_async_context(engine)
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
            clock=utc_now,
            concurrency=concurrency,
        )


def _twins(options: Options) -> contextlib.AbstractAsyncContextManager[Twins]:
    return running_twins(rate_limits=LIMITED if options.vendor_limits else ())


def server_spec(
    name: str, options: Options, hive: Hive, mode: Mode, environment: Environment
) -> ServerSpec:
    """How one server is started: the common variables and its own, nothing else (P8)."""
    env = {
        "HIVE_MIND_DIR": str(hive.path),
        "SWARM_CONFIG": str(options.config_path or config_dir()),
        "SWARM_MODE": mode.value,
        "SWARM_SANDBOX": "1" if options.sandbox else "0",
        "SWARM_CHILD": "1",
    }
    if options.vendor_limits:
        env["SWARM_SANDBOX_LIMITS"] = "1"
    if name == "hunter":
        env["HUNTER_ROOTS"] = os.pathsep.join(str(root) for root in options.hunter_roots)
    return ServerSpec(name, env | environment.for_server(name))
