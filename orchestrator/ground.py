"""What a queen stands on before she works. Owns: hive, database, twins, the mode in force."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from guardrails import tracing
from guardrails.audit.whole import require_whole_audit
from guardrails.bank import Bank, load_seed_lessons
from guardrails.bootstrap_hive import ensure_hive
from guardrails.clock import Clock, shifted, utc_now
from guardrails.config import Config, config_path, load_config
from guardrails.errors import BankUnreadable
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.readiness_model import Standing
from guardrails.store import Store, open_store
from guardrails.versions import with_mode
from orchestrator.earned import mode_in_force, tell
from orchestrator.environment import Environment
from orchestrator.logs import logging_to
from orchestrator.memory.opening import MODULE as MEMORY_MODULE
from orchestrator.memory.opening import has_memory
from orchestrator.nursery import Nursery
from orchestrator.options import LIMITED, Options, nursery_of, server_spec
from orchestrator.processes import ServerSpec
from orchestrator.twins import Twins, joined_twins, running_twins, sandbox_offset


@dataclass(frozen=True)
class Ground:
    """Opened, looked at, and good.

    Args:
        environment: with the twins' addresses, where there are twins.
        config: its mode is the one in force.
        remembers: in a long-term memory.
    """

    options: Options
    environment: Environment
    config: Config
    clock: Clock
    hive: Hive
    store: Store
    nursery: Nursery
    twins: Twins | None
    standing: Standing
    remembers: bool

    @property
    def mode(self) -> Mode:
        """What may be done, as it was earned."""
        return self.standing.mode

    @property
    def database_url(self) -> str | None:
        """Of the database that several machines share, where one is named."""
        return self.environment.values.get("SWARM_DATABASE_URL")

    def spec(self, name: str) -> ServerSpec:
        """How a server is started here."""
        return server_spec(name, self.options, self.hive, self.mode, self.environment)


async def grounded(
    stack: contextlib.AsyncExitStack, options: Options, environment: Environment
) -> Ground:
    """Open it; `stack` closes it. Args and Raises: as `bootstrap.running_swarm`."""
    config = load_config(options.config_path)
    offset_s = sandbox_offset(environment.values, sandbox=options.sandbox)
    clock = shifted(offset_s)
    if not options.sandbox:
        environment.require()
    hive = open_hive(options, config, clock)
    stack.enter_context(logging_to(hive.logs_dir / "queen.log"))
    tracing.begin("queen", environment.values.get(tracing.ENDPOINT))
    stack.callback(tracing.end)
    remembers = options.remembers and has_memory(environment.values, sandbox=options.sandbox)
    nursery = nursery_of(hive, (MEMORY_MODULE,) if remembers else (), options.begun)
    await stack.enter_async_context(nursery)  # it imports meanwhile
    twins = await _twins(stack, options, offset_s)
    if twins is not None:
        environment = environment.with_values(twins.env)
    store = open_store(hive, environment.values.get("SWARM_DATABASE_URL"))
    stack.callback(store.close)
    await asyncio.to_thread(require_whole_audit, hive, store, clock)
    must_earn = options.must_earn or not options.sandbox
    standing = mode_in_force(hive, store, config, options.mode, clock, must_earn=must_earn)
    tell(standing)
    return Ground(
        options, environment, with_mode(config, standing.mode), clock, hive, store, nursery,
        twins, standing, remembers,
    )  # fmt: skip


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


async def _twins(
    stack: contextlib.AsyncExitStack, options: Options, offset_s: float
) -> Twins | None:
    if not options.sandbox:
        return None
    if options.twins_port is not None:
        return await stack.enter_async_context(joined_twins(options.twins_port, offset_s))
    limits = LIMITED if options.vendor_limits else ()
    return await stack.enter_async_context(running_twins(rate_limits=limits, offset_s=offset_s))
