"""One lead at a time, whatever goes wrong with it. Owns: its second try, and what halts everybody.

A lead's misfortune stays with the lead: it is tried once more under another workflow id, then ends
on record with the failure as its reason. What concerns all leads (stop, bank, audit, database)
halts the work and leaves the rest as it is.
"""

from __future__ import annotations

import asyncio

import structlog

from guardrails.brakes.stop import StopSwitch
from guardrails.errors import Failure, Stopped, SwarmError
from guardrails.model import Reason
from orchestrator.asking import CONCERNS_ALL
from orchestrator.bootstrap import Swarm
from orchestrator.deliver import WORKFLOW as DELIVER
from orchestrator.deliveries import Delivery
from orchestrator.prepare import WORKFLOW, close_unprepared, workflow_id

_TRIES = 2
log = structlog.get_logger(__name__)


class LeadEdge:
    """Preparing and delivering single leads over a running swarm."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._untried = swarm.engine.untried
        self._crashed: dict[int, Failure] = {}
        self._halted: Failure | None = None
        self._switch = StopSwitch(swarm.hive, swarm.store)

    async def _check_stop(self) -> None:
        """A stop leaves the rest of the leads as they are: they go on after it."""
        state = await asyncio.to_thread(self._switch.state)
        if state.stopped and self._halted is None:
            self._halted = Stopped(f"the swarm is stopped: {state.reason}").as_failure()

    async def _prepare(self, run_id: str, row: int) -> None:
        """One lead. Whatever goes wrong with it stays with it."""
        first = workflow_id(run_id, row)
        problem: Exception | None = None
        for _ in range(_TRIES):
            try:
                await self._swarm.engine.run(WORKFLOW, self._untried(first), run_id, row)
                return
            except Exception as error:  # noqa: BLE001 - the lead's edge: the others go on
                log.warning("lead_failed", run=run_id, row=row, error=repr(error)[:300])
                problem = error
                if self._concerns_all(error):
                    return
        await self._give_up(run_id, row, problem)

    async def _give_up(self, run_id: str, row: int, problem: Exception | None) -> None:
        code = getattr(problem, "code", "internal_error")
        note = Reason(code="crashed", text=f"Preparing this lead failed twice ({code}).")
        try:
            await close_unprepared(self._swarm.children, self._swarm.runs, run_id, row, note)
        except SwarmError as error:
            if not self._concerns_all(error):
                self._crashed[row] = error.as_failure()

    async def _attempt(self, delivery: Delivery) -> None:
        """One delivery. An attempt that broke stands in the ledger as far as it came: the next
        one goes on from there, now once, then later."""
        for _ in range(_TRIES):
            name = self._untried(delivery.workflow_id)
            try:
                await self._swarm.engine.run(DELIVER, name, delivery.delivery_id)
                return
            except Exception as error:  # noqa: BLE001 - the lead's edge: the others go on
                log.warning("delivery_failed", lead=delivery.lead_id, error=repr(error)[:300])
                if self._concerns_all(error):
                    return

    def _concerns_all(self, error: Exception) -> bool:
        """Whether no lead could be decided now. The rest stays as it is, and goes on later."""
        if not isinstance(error, SwarmError) or error.as_failure().code not in CONCERNS_ALL:
            return False
        self._halted = self._halted or error.as_failure()
        return True
