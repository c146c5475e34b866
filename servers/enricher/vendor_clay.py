"""Clay public API v0 over HTTP. Owns: running your routine for one lead, and never paying twice.

A run is recorded before it is asked for and found again by its id after a crash
(`servers.enricher.paid`). Only the outputs that config names become facts. Refuses to run when a
run of the same lead may already have been paid for.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from guardrails.config.models import ClayConfig
from guardrails.errors import (
    BreakerOpen,
    ConfigError,
    RateLimited,
    SwarmError,
    VendorError,
    VendorRejected,
    VendorSchemaDrift,
    VendorUnavailable,
)
from guardrails.model import FactName, Lead
from servers.common.http import VendorClient
from servers.common.http_retry import Sleep
from servers.common.http_spend import charge_of
from servers.common.operations import Effect, Operation
from servers.enricher.facts import FACT_NAMES, FactMaker
from servers.enricher.paid import PaidRuns, not_now
from servers.enricher.sources import SourceAnswer, SourceName, not_sent
from servers.enricher.values import clean_text

PRICE = "run_routine"
RUN = Operation(
    "run_routine",
    "POST",
    "/routines/{routine_id}/run",
    Effect.PAID_READ,
    idempotent=False,
    price=PRICE,
)
RESULTS = Operation("get_run_results", "GET", "/routines/run/{run_id}/results", Effect.READ)
ME = Operation("get_me", "GET", "/me", Effect.READ)
OPERATIONS = (RUN, RESULTS, ME)
_INPUTS = ("email", "first_name", "last_name", "company", "domain", "linkedin_url")


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Workspace(_Wire):
    id: str


class _Me(_Wire):
    workspace: _Workspace


class _Started(_Wire):
    routine_run_id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._~:-]+$")


class _Failure(_Wire):
    message: str = ""


class _Item(_Wire):
    id: str
    status: Literal["complete", "failed"]
    result: dict[str, Any] | None = None
    error: _Failure | None = None


class _Results(_Wire):
    status: Literal["complete", "in_progress"]
    data: tuple[_Item, ...] = ()
    cursor: str | None = None


@dataclass(frozen=True)
class ClayRoutine:
    """Which routine to run, what it costs, and which output is which fact."""

    routine_id: str
    price_micros: int
    outputs: Mapping[str, FactName]
    poll_interval_s: float
    poll_deadline_s: float


def routine_of(config: ClayConfig, given_id: str | None, price_micros: int) -> ClayRoutine:
    """The routine from config and environment.

    Raises:
        ConfigError: an output is mapped to something that is not a fact.
    """
    wrong = sorted(set(config.outputs.values()) - FACT_NAMES)
    if wrong:
        raise ConfigError(f"vendors.clay.outputs maps to unknown facts: {', '.join(wrong)}")
    return ClayRoutine(
        routine_id=(given_id or config.routine_id).strip(),
        price_micros=price_micros,
        outputs=cast("Mapping[str, FactName]", config.outputs),
        poll_interval_s=config.poll_interval_s,
        poll_deadline_s=config.poll_deadline_s,
    )


class Clay:
    """The `Source` that runs a Clay routine."""

    name: SourceName = "clay"

    def __init__(
        self,
        client: VendorClient,
        routine: ClayRoutine,
        runs: PaidRuns,
        facts: FactMaker,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._routine = routine
        self._runs = runs
        self._facts = facts
        self._sleep = sleep

    @property
    def gives(self) -> frozenset[FactName]:
        """The facts that the routine's outputs are mapped to."""
        return frozenset(self._routine.outputs.values())

    @property
    def keyless(self) -> str | None:
        """None: the server does not start without it."""
        return None

    @property
    def unusable(self) -> str | None:
        """Why Clay cannot be asked, or None."""
        return None if self._routine.routine_id else "CLAY_ROUTINE_ID is not set"

    async def who_am_i(self) -> str:
        """Whose key it is. Costs nothing. Raises a VendorError."""
        answer = await self._client.request(ME)
        return f"workspace {answer.parsed_as(_Me, answer.document()).workspace.id}"

    async def look_up(self, lead: Lead, subject: str) -> SourceAnswer:
        """Run the routine for `lead`, or take up the run that was paid for before.

        Raises:
            StoreUnavailable: the run could not be recorded, so it was not asked for.
            Refused: the mode lock said no; nothing was paid.
        """
        key = f"clay:{subject}"
        claim = await self._runs.claim(key, self._routine.price_micros)
        if claim.kind == "resume" and claim.vendor_run_id:
            return await self._collect(key, claim.vendor_run_id, lead, cost=0)
        if claim.kind != "new":
            return not_now(claim)
        started = await self._start(key, lead)
        if isinstance(started, SourceAnswer):
            return started
        return await self._collect(key, started, lead, cost=self._routine.price_micros)

    async def _start(self, key: str, lead: Lead) -> str | SourceAnswer:
        """Ask for the run. The answer's id, or why there is none."""
        stated = {name: getattr(lead, name) for name in _INPUTS}
        inputs = {name: value for name, value in stated.items() if value}
        try:
            answer = await self._client.request(
                RUN,
                path_params={"routine_id": self._routine.routine_id},
                json={"items": [{"id": lead.lead_id, "inputs": inputs}]},
            )
            run_id = answer.parsed_as(_Started, answer.document()).routine_run_id
        except VendorError as error:
            return await self._not_started(key, error)
        except SwarmError:  # refused, stopped, no database: nothing was sent
            await self._runs.release(key)
            raise
        await self._runs.started(key, run_id)
        return run_id

    async def _not_started(self, key: str, error: VendorError) -> SourceAnswer:
        if charge_of(self.name, error) == "not_charged":
            await self._runs.release(key)
            if error.status == 402:
                return SourceAnswer("out_of_credits", "Clay's credits are exhausted")
            return not_sent(error) or SourceAnswer("failed", error.message)
        await self._runs.ended(key, "unknown")
        return SourceAnswer(
            "failed",
            f"{error.message}: the run may have been started and paid for; "
            "it is not asked for again today",
            cost_micros=self._routine.price_micros,
        )

    async def _collect(self, key: str, run_id: str, lead: Lead, *, cost: int) -> SourceAnswer:
        """Wait for the run's results, bounded; unfinished, it is taken up at the next call."""
        routine = self._routine
        polls = max(1, math.ceil(routine.poll_deadline_s / routine.poll_interval_s))
        try:
            async with asyncio.timeout(routine.poll_deadline_s):
                for _ in range(polls):
                    item = await self._poll(run_id, lead.lead_id)
                    if item is not None:
                        return await self._judged(key, item, cost)
                    await self._sleep(routine.poll_interval_s)
        except TimeoutError:
            pass
        except (VendorUnavailable, BreakerOpen, RateLimited) as error:
            return SourceAnswer("pending", f"{error.message}; asked again later", cost_micros=cost)
        except (VendorRejected, VendorSchemaDrift) as error:
            if error.status == 404:  # paid for, and lost
                await self._runs.ended(key, "unknown")
            return SourceAnswer("failed", error.message, cost_micros=cost)
        return SourceAnswer(
            "pending",
            f"not finished within {routine.poll_deadline_s:g} s; asked again later",
            cost_micros=cost,
        )

    async def _poll(self, run_id: str, item_id: str) -> _Item | None:
        """The item's result, or None while the run is under way."""
        answer = await self._client.request(RESULTS, path_params={"run_id": run_id})
        results = answer.parsed_as(_Results, answer.document())
        if answer.status == 202 or results.status == "in_progress":
            return None
        for item in results.data:
            if item.id == item_id:
                return item
        raise answer.drift("the finished run has no result for our item")

    async def _judged(self, key: str, item: _Item, cost: int) -> SourceAnswer:
        if item.status == "failed":
            await self._runs.ended(key, "failed")
            why = clean_text(item.error.message if item.error else "", 120) or "no reason given"
            said = f"the routine failed: {why}"
            return SourceAnswer("failed", said, cost_micros=cost, about_lead=True)
        result = item.result or {}
        values = {
            fact: result[output]
            for output, fact in self._routine.outputs.items()
            if output in result
        }
        facts = self._facts.make("clay", values)
        found = f"{len(facts)} facts" if facts else "the routine found nothing"
        paid = "" if cost else ", paid for earlier"
        return SourceAnswer(
            "ok" if facts else "no_match", found + paid, facts, cost_micros=cost, settles=key
        )
