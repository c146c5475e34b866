"""The acts of a campaign. Owns: steady state, faults, recovery, each over a swarm of its own.

Every act has its own swarm because the servers read their configuration when they start. All of
them work on the campaign's own hive: production state is never touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from guardrails.brakes.chaos import ChaosEvent, insert
from guardrails.clock import iso, utc_now
from guardrails.errors import Stopped, StoreUnavailable
from guardrails.model import Mode, digest
from orchestrator.bootstrap import Swarm, running_swarm
from orchestrator.campaign import outage as outages
from orchestrator.campaign.derive import CONCURRENCY, Derived
from orchestrator.campaign.findings import Arrival, Outage
from orchestrator.campaign.monkey import Monkey, Strike
from orchestrator.campaign.pending import Pending
from orchestrator.campaign.plan import Plan
from orchestrator.campaign.record import FaultSeen
from orchestrator.campaign.rounds import Round, play
from orchestrator.campaign.strikes import Strikes
from orchestrator.campaign.verdicts import states
from orchestrator.campaign.watch import Watch
from orchestrator.environment import Environment
from orchestrator.options import SERVERS, Options

log = structlog.get_logger(__name__)
_RECOVERY_ROUNDS = 15
_OUTAGE_EVERY_S = 600.0
_BACKLOG = 2  # process faults that a round may leave to the next


@dataclass
class Seen:
    """What the acts left behind."""

    baseline: Round | None = None
    baseline_again: Round | None = None
    rounds: list[Round] = field(default_factory=list)
    after: Round | None = None
    recovery_rounds: int = 0
    recovery_s: float = 0.0
    fault_s: float = 0.0
    struck: list[FaultSeen] = field(default_factory=list)
    servers_killed: int = 0
    outages: list[Outage] = field(default_factory=list)
    arrivals: tuple[Arrival, ...] | None = None
    writes: list[int] = field(default_factory=list)  # of each swarm


class Acts:
    """The acts over one hive."""

    def __init__(
        self, plan: Plan, derived: Derived, hive: Path, environment: Environment, watch: Watch
    ) -> None:
        self._plan = plan
        self._random = plan.kind == "random"
        self.derived = derived
        self._hive = hive
        self._environment = environment
        self.watch = watch
        self.seen = Seen()
        self.stop = asyncio.Event()  # a person wants the faults to end

    @contextlib.asynccontextmanager
    async def swarm(self, config: Path) -> AsyncIterator[Swarm]:
        """A running swarm on the campaign's hive, watched."""
        options = Options(
            hive=self._hive,
            sandbox=self._plan.sandbox,
            config_path=config,
            mode=Mode.SHADOW,
            concurrency=CONCURRENCY if self._plan.sandbox and self._random else None,
            hunter_roots=(self._plan.leads.resolve().parent,),
            # A sweep asks hundreds of leads at once: at ten calls a second it would take hours.
            vendor_limits=self._plan.sandbox and self._random,
            remembers=False,  # what is played is nobody's past
        )
        async with running_swarm(options, self._environment) as swarm, self.watch.over(swarm):
            yield swarm

    async def play(self, swarm: Swarm, number: int, pending: Pending | None = None) -> Round:
        """One round, its process faults done by `pending`.

        Raises:
            Stopped: the stop of the production hive is in force; it is heeded here as well.
        """
        if os.path.lexists(self._plan.hive / "STOP"):
            raise Stopped(f"{self._plan.hive / 'STOP'} is present: the campaign ends here")
        self.watch.round = number
        if pending is None:
            return await play(swarm, self._plan.leads, number)
        monkey = Monkey(
            self._plan.seed,
            self._plan.rate if self._random else 0.0,
            self._plan.process_faults,
            SERVERS,
        )

        def on_start(row: int) -> None:
            strike = monkey.strike(number, row)
            if strike is not None:
                pending.add(self.strike(swarm, pending.strikes, strike))

        settled = pending.strikes.settled
        return await play(swarm, self._plan.leads, number, on_start=on_start, settled=settled)

    async def steady(self) -> None:
        """The leads without faults, twice: the same both times, or nothing can be compared."""
        self.watch.phase = "baseline"
        async with self.swarm(self.derived.steady) as swarm:
            self.seen.baseline = await self.play(swarm, 0)
            self.seen.baseline_again = await self.play(swarm, 0)
            await self._count_writes(swarm)

    async def faults(self) -> None:
        """Rounds under faults until their time is over or a person ends them."""
        async with self.swarm(self.derived.faulty) as swarm:
            self.watch.begin_faults()
            self.watch.tell("the faults begin")
            deadline = time.monotonic() + self._plan.seconds
            waiting = asyncio.create_task(self._outages(swarm))
            number = 0
            pending = self.pending(swarm)
            try:
                while not self.stop.is_set() and (
                    time.monotonic() < deadline or not waiting.done()
                ):
                    number += 1
                    await self.over(swarm, await self.play(swarm, number, pending))
                    await pending.at_most(_BACKLOG)
            finally:
                await self._end(waiting)
                await pending.finish()
            await self.leave(swarm)

    async def leave(self, swarm: Swarm) -> None:
        """The faults of this swarm are over: keep what its twins counted."""
        self.seen.fault_s = self.watch.t
        if swarm.twins is not None:
            seen = await outages.arrivals(swarm.twins, self.watch.began)
            self.seen.arrivals = (*(self.seen.arrivals or ()), *seen)
        await self._count_writes(swarm)

    async def _end(self, waiting: asyncio.Task[None]) -> None:
        if not waiting.done():
            waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting

    def pending(self, swarm: Swarm) -> Pending:
        """A queue of process faults for this swarm."""
        patience = self.derived.production.work.call_timeout_s + 5
        return Pending(Strikes(swarm, self._plan.database_url, patience))

    async def over(self, swarm: Swarm, result: Round) -> None:
        """A round under faults has ended."""
        self.seen.rounds.append(result)
        await self.watch.round_over(swarm, result.run_id)
        states = Counter(row.state or "open" for row in result.rows)
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        halts = f"; halted by {', '.join(sorted(set(result.halts)))}" if result.halts else ""
        self.watch.tell(f"round {result.number}: {told}{halts}")

    async def strike(self, swarm: Swarm, strikes: Strikes, strike: Strike) -> None:
        """Do one process fault and put it on record."""
        try:
            began = await strikes.do(strike)
        except Exception as error:  # noqa: BLE001 - e.g. others locked the database for too long
            self.watch.tell(f"{strike.fault} could not be done: {error}")
            log.warning("strike_failed", fault=strike.fault, error=repr(error)[:300])
            return
        if began is None:
            return
        t = max(0.0, self.watch.t - (time.monotonic() - began))
        self.seen.struck.append(FaultSeen(t=round(t, 3), site=strike.site, fault=strike.fault))
        self.seen.servers_killed += strike.fault == "server_killed"
        self.watch.process_faults[strike.fault] += 1
        self.watch.tell(f"{strike.fault.replace('_', ' ')}: {strike.site.partition('.')[2]}")
        event = ChaosEvent(
            event_id=f"X-{digest([self.watch.campaign_id, strike.site, strike.fault, t])[:32]}",
            at=iso(utc_now()), site=strike.site, fault=strike.fault, attempt=1,
            lead_id=None, run_id=None,
        )  # fmt: skip
        with contextlib.suppress(StoreUnavailable):
            await swarm.store.run(lambda conn: insert(conn, [event]))

    async def _outages(self, swarm: Swarm) -> None:
        """GHL fails altogether in the middle of every ten minutes, or of the whole if shorter."""
        if swarm.twins is None:
            return
        count = max(1, round(self._plan.seconds / _OUTAGE_EVERY_S))
        began = time.monotonic()
        for number in range(count):
            at = (number + 0.5) / count * self._plan.seconds
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            await self.ghl_outage(swarm)

    async def ghl_outage(self, swarm: Swarm) -> None:
        """One outage of GHL, long enough for its breaker to probe once in vain."""
        assert swarm.twins is not None
        before = set(self.watch.changes)
        start = utc_now()

        def tripped() -> bool:
            return any(
                change.vendor == "ghl" and change.state == "open" and change.at >= start
                for name, change in self.watch.changes.items()
                if name not in before
            )

        self.watch.tell("GHL answers 503 to everything")
        open_s = self.derived.production.breaker.open_s
        lasted = await outages.outage(swarm.twins, "ghl", 2 * open_s, tripped, self.watch.began)
        self.seen.outages.append(lasted)
        self.watch.tell("GHL is back")

    async def recovery(self) -> None:
        """The faults are over: rounds until every lead is decided as without them."""
        self.watch.phase = "recovery"
        began = time.monotonic()
        async with self.swarm(self.derived.steady) as swarm:
            for number in range(1, _RECOVERY_ROUNDS + 1):
                self.seen.after = await self.play(swarm, number)
                self.seen.recovery_rounds = number
                self.seen.recovery_s = round(time.monotonic() - began, 2)
                if states(self.seen.after) == states(self.seen.baseline):
                    break
                await asyncio.sleep(self.derived.production.breaker.open_s / 2)
            await self._count_writes(swarm)

    async def _count_writes(self, swarm: Swarm) -> None:
        rounds = [self.seen.baseline, self.seen.baseline_again, self.seen.after, *self.seen.rounds]
        known = max((each.vendor_writes for each in rounds if each is not None), default=0)
        self.seen.writes.append(await swarm.twins.writes() if swarm.twins else known)
