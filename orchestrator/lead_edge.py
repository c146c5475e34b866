"""One lead at a time, whatever goes wrong with it. Owns: its second try, and what halts everybody.

What a dead queen had begun is gone on with first. A lead's misfortune stays with the lead: it is
tried once more under another workflow id, then ends on record with the failure as its reason. What
concerns all leads (stop, bank, audit, database) halts the work and leaves the rest as it is.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from guardrails.brakes.stop import StopSwitch
from guardrails.errors import Failure, Stopped, SwarmError
from guardrails.model import Reason
from orchestrator.asking import CONCERNS_ALL
from orchestrator.bootstrap import Swarm
from orchestrator.deliver import WORKFLOW as DELIVER
from orchestrator.deliveries import Delivery
from orchestrator.engine import Json
from orchestrator.fleet.claims import Claimed
from orchestrator.fleet.free_rows import Pending
from orchestrator.prepare import WORKFLOW, close_unprepared, workflow_id

_TRIES = 2
log = structlog.get_logger(__name__)


class LeadEdge:
    """Preparing and delivering single leads over a running swarm."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._claims = swarm.claims
        self._members = swarm.members
        self._crashed: dict[Pending, Failure] = {}
        self._halted: Failure | None = None
        self._switch = StopSwitch(swarm.hive, swarm.store)

    async def _check_stop(self) -> None:
        """A stop leaves the rest of the leads as they are: they go on after it."""
        state = await asyncio.to_thread(self._switch.state)
        if state.stopped and self._halted is None:
            self._halted = Stopped(f"the swarm is stopped: {state.reason}").as_failure()

    async def _prepare(self, claimed: Claimed[Pending]) -> None:
        """One lead. Whatever goes wrong with it stays with it."""
        run_id, row = claimed.what.run_id, claimed.what.row
        problem: Exception | None = None
        for number in range(_TRIES):
            before = claimed.before if number == 0 else None
            try:
                await self._go_on(WORKFLOW, workflow_id(run_id, row), before, run_id, row)
                return
            except Exception as error:  # noqa: BLE001 - the lead's edge: the others go on
                log.warning("lead_failed", run=run_id, row=row, error=repr(error)[:300])
                problem = error
                if self._concerns_all(error):
                    return
        await self._give_up(claimed.what, problem)

    async def _give_up(self, lead: Pending, problem: Exception | None) -> None:
        code = getattr(problem, "code", "internal_error")
        note = Reason(code="crashed", text=f"Preparing this lead failed twice ({code}).")
        children, runs = self._swarm.children, self._swarm.runs
        try:
            await close_unprepared(children, runs, lead.run_id, lead.row, note)
        except SwarmError as error:
            if not self._concerns_all(error):
                self._crashed[lead] = error.as_failure()

    async def _attempt(self, claimed: Claimed[Delivery]) -> None:
        """One delivery. An attempt that broke stands in the ledger as far as it came: the next
        one goes on from there, now once, then later."""
        delivery = claimed.what
        for number in range(_TRIES):
            before = claimed.before if number == 0 else None
            try:
                about = f"deliver:{delivery.delivery_id}"
                await self._go_on(DELIVER, about, before, delivery.delivery_id)
                return
            except Exception as error:  # noqa: BLE001 - the lead's edge: the others go on
                log.warning("delivery_failed", lead=delivery.lead_id, error=repr(error)[:300])
                if self._concerns_all(error):
                    return

    async def _go_on(self, workflow: str, about: str, before: str | None, *args: Any) -> Json:
        """What somebody who died had begun is gone on with; else it is begun."""
        engine = self._swarm.engine
        if before is not None:
            left = await engine.go_on(about)
            log.info("taken_over", about=about, of=before, begun=left is not None)
            if left is not None:
                return left
        return await engine.run(workflow, engine.untried(about), *args)

    def _concerns_all(self, error: Exception) -> bool:
        """Whether no lead could be decided now. The rest stays as it is, and goes on later."""
        if not isinstance(error, SwarmError) or error.as_failure().code not in CONCERNS_ALL:
            return False
        self._halted = self._halted or error.as_failure()
        return True
