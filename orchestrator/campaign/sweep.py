"""Every call site and every fault, once each. Owns: which lead gets which, and what is still due.

A site is a place that the leads reach without faults; each pair of site and fault is given to a
lead that reaches it, one to a lead, so that a breaker seldom opens and no fault hides another.
What was not injected (an earlier refusal, an open breaker) is due again in the next pass.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, select

from guardrails.config import Config
from guardrails.config.models.production import Fault, FaultTarget
from guardrails.errors import BadInput
from guardrails.store.brake_tables import chaos_events
from orchestrator.bootstrap import Swarm
from orchestrator.campaign.acts import Acts
from orchestrator.campaign.derive import derive
from orchestrator.campaign.findings import Coverage
from orchestrator.campaign.monkey import Strike
from orchestrator.campaign.pending import Pending
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.rounds import Round
from orchestrator.options import SERVERS

LEADS = 300
PASSES = 4
# What no attempt at a vendor can get: the gateway's webhooks are not a part of this swarm yet.
_NOT_AT_A_SITE: tuple[Fault, ...] = ("duplicate_webhook",)
_PER_LEAD_AND_SITE = 2  # a second visit of the same site gets the second fault
_LASTS_S = {"database_locked": 2.0, "disk_full": 1.0, "torn_bank": 1.0}
Pair = tuple[str, Fault]


async def write_leads(path: Path, seed: int) -> None:
    """A leads file of the sandbox's world.

    Raises:
        BadInput: it could not be made.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "servers.sandbox.leads", str(path), str(LEADS), str(seed)
    )
    if await process.wait() != 0:
        raise BadInput("the sandbox's leads could not be written")


def process_strikes(faults: Iterable[Fault]) -> list[Strike]:
    """Every process fault on every server, or once where it has no server."""
    found = []
    for fault in faults:
        # The hunter comes first: it must hang before it is asked for the file.
        servers = SERVERS if fault in ("server_killed", "server_hung") else (None,)
        found += [Strike(fault, server, _LASTS_S.get(fault, 0.0)) for server in servers]
    return sorted(found, key=lambda each: (each.fault, each.server) != ("server_hung", "hunter"))


def assign(
    due: Iterable[Pair], reached: Mapping[str, Sequence[str]], offset: int
) -> tuple[FaultTarget, ...]:
    """A lead for each pair, as long as there are any.

    Args:
        due: sites and faults.
        reached: site to the leads that reach it, in a fixed order.
        offset: another one gives other leads, for the next pass.
    """
    by_site: dict[str, list[Fault]] = {}
    for site, fault in sorted(due):
        by_site.setdefault(site, []).append(fault)
    busy: set[str] = set()
    targets: list[FaultTarget] = []
    for site in sorted(by_site, key=lambda name: (len(reached[name]), name)):
        leads = reached[site]
        turned = [leads[(offset + place) % len(leads)] for place in range(len(leads))]
        free = [lead for lead in turned if lead not in busy]
        # Few leads reach a rare site: then a lead gets as many as it visits the site.
        chosen = (free or turned) * _PER_LEAD_AND_SITE
        for fault, lead in zip(by_site[site], chosen, strict=False):
            busy.add(lead)
            targets.append(FaultTarget(lead_id=lead, site=site, fault=fault))
    return tuple(targets)


class Sweep:
    """A sweep's acts between steady state and recovery."""

    def __init__(self, plan: Plan, config: Config, folder: Path, acts: Acts) -> None:
        self._plan = plan
        self._config = config
        self._folder = folder
        self._acts = acts
        self._wanted: set[Pair] = set()
        self._done: set[Pair] = set()

    @property
    def coverage(self) -> Coverage:
        """What was due and what was done."""
        return Coverage(frozenset(self._wanted), frozenset(self._done))

    async def run(self) -> None:
        """Process faults, a GHL outage, then passes with one fault for each place."""
        reached = await self._processes()
        http = [fault for fault in self._plan.http_faults if fault not in _NOT_AT_A_SITE]
        self._wanted |= {(site, fault) for site in reached for fault in http}
        for number in range(PASSES):
            due = {pair for pair in self._wanted - self._done if pair[0] in reached}
            if not due or self._acts.stop.is_set():
                break
            await self._pass(number, assign(due, reached, number * 7), reached)

    async def _processes(self) -> dict[str, list[str]]:
        """Strikes and an outage under a configuration without HTTP faults; the sites reached."""
        strikes = process_strikes(self._plan.process_faults)
        self._wanted |= {(each.site, each.fault) for each in strikes}
        acts = self._acts
        async with acts.swarm(acts.derived.steady) as swarm:
            reached = await swarm.store.query(self._reached)
            acts.watch.begin_faults()
            pending = acts.pending(swarm)
            if strikes:
                await self._strike_all(swarm, pending, strikes)
            await self._outage(swarm)
            await acts.leave(swarm)
        self._done |= {(seen.site, _fault(seen.fault)) for seen in acts.seen.struck}
        return reached

    async def _strike_all(self, swarm: Swarm, pending: Pending, strikes: list[Strike]) -> None:
        """One after the other while leads go on; rounds until all are done."""
        for strike in strikes:
            pending.add(self._acts.strike(swarm, pending.strikes, strike))
        while pending and not self._acts.stop.is_set():
            await self._round(swarm, pending)
        await pending.finish()

    async def _outage(self, swarm: Swarm) -> None:
        if swarm.twins is None:
            return
        outage = asyncio.create_task(self._acts.ghl_outage(swarm))
        while not outage.done():
            await self._round(swarm, None)
        await outage

    async def _round(self, swarm: Swarm, pending: Pending | None) -> Round:
        number = len(self._acts.seen.rounds) + 1
        result = await self._acts.play(swarm, number, pending)
        await self._acts.over(swarm, result)
        return result

    async def _pass(
        self, number: int, targets: tuple[FaultTarget, ...], reached: Mapping[str, list[str]]
    ) -> None:
        derived = derive(self._plan, self._config, self._folder, targets)
        self._acts.watch.tell(f"pass {number + 1}: {len(targets)} faults at {len(reached)} sites")
        async with self._acts.swarm(derived.faulty) as swarm:
            result = await self._round(swarm, None)
            await asyncio.sleep(0.5)  # the last events are written in batches
            self._done |= await swarm.store.query(lambda conn: _injected(conn, result.run_id))
            await self._acts.leave(swarm)

    def _reached(self, conn: Connection) -> dict[str, list[str]]:
        """Site to the leads that reached it without faults, in the order of their ids."""
        seen = self._acts.seen
        calm = [each.run_id for each in (seen.baseline, seen.baseline_again) if each is not None]
        statement = (
            select(chaos_events.c.site, chaos_events.c.lead_id)
            .where(
                chaos_events.c.run_id.in_(calm),  # the second is spared what is kept in memory
                chaos_events.c.lead_id.is_not(None),
                chaos_events.c.fault.is_(None),
            )
            .distinct()
        )
        found: dict[str, list[str]] = {}
        for site, lead in conn.execute(statement):
            found.setdefault(site, []).append(lead)
        return {site: sorted(leads) for site, leads in sorted(found.items())}


def _injected(conn: Connection, run_id: str) -> set[Pair]:
    statement = (
        select(chaos_events.c.site, chaos_events.c.fault)
        .where(chaos_events.c.run_id == run_id, chaos_events.c.fault.is_not(None))
        .distinct()
    )
    return {(site, fault) for site, fault in conn.execute(statement)}


def _fault(name: str) -> Fault:
    return FaultTarget.model_validate({"lead_id": "-", "site": "-", "fault": name}).fault


def on_generated_leads(plan: Plan, folder: Path) -> Plan:
    """The plan over the sandbox's own leads."""
    return dataclasses.replace(plan, leads=folder / "leads.csv")
