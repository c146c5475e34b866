"""A preflight from its first look to its last. Owns: what is asked, side by side, in bounded time.

Servers and, in the sandbox, twins live as long as the block. Whatever cannot be asked is unknown,
with the reason; nothing that goes wrong with one check keeps another from being made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from guardrails.approvers import ApproverList, slack_ids
from guardrails.bootstrap_hive import ensure_hive
from guardrails.clock import Clock, shifted, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import SwarmError
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.readiness_model import Standing
from guardrails.store import Store, open_store
from guardrails.versions import versions_of
from orchestrator.earned import mode_in_force
from orchestrator.environment import Environment
from orchestrator.ground import open_hive
from orchestrator.logs import logging_to
from orchestrator.options import SERVERS, Options, server_spec
from orchestrator.preflight import chaos, evidence, ground, keys, letters, people, sleep, vendors
from orchestrator.preflight.dns import SystemDns, TextRecords, check_domain
from orchestrator.preflight.ground import Ground, no_database
from orchestrator.preflight.model import Check, Findings, fail, unknown
from orchestrator.preflight.servers import Servers, running_servers
from orchestrator.preflight.supabase import SupabaseProbe
from orchestrator.twins import joined_twins, running_twins, sandbox_offset
from servers.common.contract_sender import SANDBOX_MAILBOX, SANDBOX_POSTAL_ADDRESS

PART_S = 180.0  # a long record takes its time
_DEFECT = "This is a defect: report it, with logs/preflight.log."
Part = Callable[[], Awaitable[Sequence[Check]]]
Local = Callable[[Ground], Check]
LOCAL: dict[str, Local] = {
    "config": ground.check_config,
    "hive": ground.check_hive,
    "machine": ground.check_machine,
    "disk": ground.check_disk,
    "clock": ground.check_clock,
    "bank": ground.check_bank,
    "audit": ground.check_audit,
    "database": ground.check_database,
    "shadow_run": evidence.check_shadow,
    "chaos": chaos.check_chaos,
    "approvals": evidence.check_approvals,
    "learned": evidence.check_learned,
    "unknown_sends": evidence.check_unknown_sends,
    "monitor": partial(sleep.check_monitor, now=utc_now),
    "spend_cap": sleep.check_spend_cap,
    "red_button": sleep.check_red_button,
    "not_stopped": sleep.check_not_stopped,
    "backup": sleep.check_backup,
}


@dataclass(frozen=True)
class Asked:
    """What is to be looked at.

    Args:
        must_earn: in the sandbox: be as strict as for real.
        dns, supabase: stand in for the network.
    """

    hive: Path
    sandbox: bool
    config: Path | None = None
    twins_port: int | None = None
    must_earn: bool = False
    dns: TextRecords = field(default_factory=SystemDns)
    supabase: httpx.BaseTransport | None = None

    @property
    def options(self) -> Options:
        """For the parts that the queen starts as well."""
        return Options(
            hive=self.hive,
            sandbox=self.sandbox,
            config_path=self.config,
            mode=Mode.SHADOW,
            twins_port=self.twins_port,
            must_earn=self.must_earn,
        )


@dataclass(frozen=True)
class Looked:
    """What was found, while the hive is still open."""

    ground: Ground
    findings: Findings
    standing: Standing
    people: ApproverList


@contextlib.asynccontextmanager
async def looked(asked: Asked, environment: Environment) -> AsyncIterator[Looked]:
    """Look at everything.

    Raises:
        ConfigError: config/ is not valid, or the hive is of the other kind.
    """
    config = load_config(asked.config)
    offset_s = sandbox_offset(environment.values, sandbox=asked.sandbox)
    clock = shifted(offset_s)
    async with contextlib.AsyncExitStack() as stack:
        hive = _hive(asked, config, clock)
        stack.enter_context(logging_to(hive.logs_dir / "preflight.log"))
        if asked.sandbox:
            port = asked.twins_port
            twins = joined_twins(port, offset_s) if port else running_twins(offset_s=offset_s)
            environment = environment.with_values((await stack.enter_async_context(twins)).env)
        held = _database(hive, environment)
        if isinstance(held, Store):
            stack.callback(held.close)
        found = Ground(hive, config, environment, held, clock, versions_of(config))
        specs = [
            server_spec(name, asked.options, hive, Mode.SHADOW, environment) for name in SERVERS
        ]
        async with running_servers(specs, hive.logs_dir) as servers:
            checks = await _all(found, servers, asked)
        people_, _ = _people(found)
        must_earn = asked.must_earn or not asked.sandbox
        standing = _standing(found, clock, config, must_earn=must_earn)
        if isinstance(held, Store):
            stack.callback(found.audit.close)
        yield Looked(found, Findings.of(checks, found.versions), standing, people_)


def _hive(asked: Asked, config: Config, clock: Clock) -> Hive:
    """As it is; a brand-new one is made as a start would make it. Looking changes no bank."""
    if any(asked.hive.glob("*.json")):
        return ensure_hive(asked.hive, asked.sandbox, config, clock)
    return open_hive(asked.options, config, clock)


def _database(hive: Hive, environment: Environment) -> Store | SwarmError:
    try:
        return open_store(hive, environment.values.get("SWARM_DATABASE_URL"))
    except SwarmError as error:
        return error


def _standing(ground: Ground, clock: Clock, config: Config, *, must_earn: bool) -> Standing:
    if isinstance(ground.held, Store):
        return mode_in_force(ground.hive, ground.held, config, None, clock, must_earn=must_earn)
    why = f"the record cannot be read: {ground.held.message}"
    lowered = why if config.production.mode is not Mode.SHADOW else ""
    return Standing(config.production.mode, Mode.SHADOW, lowered)


async def _all(ground: Ground, servers: Servers, asked: Asked) -> list[Check]:
    production, values = ground.config.production, ground.environment.values
    sandbox = ground.hive.sandbox
    mailbox = values.get("SENDER_EMAIL") or (SANDBOX_MAILBOX if sandbox else "")
    domain = mailbox.rpartition("@")[2].strip().casefold()
    folk, listed = _people(ground)
    tells = people.SlackDesk(ground.environment.for_server("stop") | _team(values), sandbox=sandbox)
    probe = SupabaseProbe(values, sandbox=sandbox, wire=asked.supabase)
    selectors = production.readiness.dkim_selectors
    delivery, limits = production.delivery, production.sending_limits
    parts: dict[tuple[str, ...], Part] = {
        ("ghl_key", "ghl_duplicates"): lambda: keys.check_ghl(servers),
        ("instantly_key", "mailbox"): lambda: vendors.check_instantly(servers, mailbox, limits),
        ("clay_key", "rb2b_key"): lambda: keys.check_enricher(servers),
        ("pipeline",): lambda: vendors.check_pipeline(servers, delivery),
        ("campaign",): lambda: vendors.check_campaign(servers, delivery),
        ("letters",): lambda: _letters(ground, servers),
        ("slack_key", "slack_channel", "approvers_reachable"): lambda: people.check_slack(
            tells, folk
        ),
        ("supabase_key",): lambda: _one(probe.check),
        ("spf", "dkim", "dmarc"): lambda: asyncio.to_thread(
            check_domain, domain, selectors, asked.dns, sandbox=sandbox
        ),
    }
    found = await asyncio.gather(
        *(_part(names, part) for names, part in parts.items()), _local(ground)
    )
    at_once = [servers.check(), listed, *keys.check_variables(ground.environment, sandbox=sandbox)]
    return [*at_once, *(check for checks in found for check in checks)]


async def _local(ground: Ground) -> list[Check]:
    """One after another: they read the same disk and database."""
    checks: list[Check] = []
    for name, look in LOCAL.items():
        if name == "database" and not isinstance(ground.held, Store):
            checks.append(no_database(ground.held))
            continue
        checks += await _part((name,), partial(_one, partial(look, ground)))
    return checks


async def _one(look: Callable[[], Check]) -> list[Check]:
    return [await asyncio.to_thread(look)]


async def _part(names: Sequence[str], part: Part) -> Sequence[Check]:
    """Its answers; unknown for all of them when it could not be asked."""
    try:
        async with asyncio.timeout(PART_S):
            return await part()
    except TimeoutError:
        said, do = f"no answer within {PART_S:g} s", "Run it again when the machine is quieter."
    except SwarmError as error:
        said, do = error.message, error.remedy
    except Exception as error:  # noqa: BLE001 - one broken check must not keep the others silent
        said, do = f"it broke ({type(error).__name__}: {str(error)[:120]})", _DEFECT
    return [unknown(name, said, do) for name in names]


def _people(ground: Ground) -> tuple[ApproverList, Check]:
    ids = slack_ids(ground.environment.values.get("SLACK_APPROVER_IDS"))
    try:
        folk = ApproverList.of(ground.config.approvers, ids, ground.hive.salt())
    except SwarmError as error:
        return ApproverList(()), fail("approvers", error.message, error.remedy)
    return folk, people.check_approvers(folk)


async def _letters(ground: Ground, servers: Servers) -> list[Check]:
    address = ground.environment.values.get("SENDER_POSTAL_ADDRESS") or (
        SANDBOX_POSTAL_ADDRESS if ground.hive.sandbox else ""
    )
    wanted = ground.config.production.readiness.shadow_leads
    with ground.store.read() as conn:
        run = evidence.latest_shadow(conn, leads=wanted, sandbox=ground.hive.sandbox)
        bodies = letters.recorded_bodies(conn, run.run_id if run else None)
    return await letters.check_letters(
        servers, ground.config, address, ground.hive.salt(), bodies, ground.clock
    )


def _team(values: Mapping[str, str]) -> dict[str, str]:
    """The workspace that is configured: no secret, and nothing that `stop` needs."""
    team = values.get("SLACK_TEAM_ID")
    return {"SLACK_TEAM_ID": team} if team else {}
