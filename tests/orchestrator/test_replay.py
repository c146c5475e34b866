"""What the engine has kept of a workflow leads today's code the same way, step by step.

A queen that takes over goes on behind the last step that is on record: by its place and its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from guardrails.clock import iso
from guardrails.config import Config, load_config
from guardrails.errors import StoreUnavailable
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.deliver import WORKFLOW as DELIVER
from orchestrator.deliver import DeliverLead
from orchestrator.deliveries import Deliveries, queue
from orchestrator.prepare import WORKFLOW as PREPARE
from orchestrator.prepare import PrepareLead
from orchestrator.triage import Triage
from tests.conftest import SteppableClock
from tests.orchestrator.histories import History, recorded

pytestmark = pytest.mark.anyio
HISTORIES = recorded()
WHAT_TO_DO = (
    "The steps of {0} are not those of version {1} any more. What it has begun would go wrong when "
    "it is gone on with. Either keep its order behind `DBOS.patch_async` until nothing of version "
    "{1} is left, or raise APPLICATION_VERSION in orchestrator/engine.py: what an older version "
    "has begun is then begun anew. Record anew: python -m tests.orchestrator.histories HIVE."
)


class Reached(StoreUnavailable):
    """The workflow has gone past what was recorded: to the world outside."""


@dataclass
class Recorded:
    """An engine that knows one history, and runs no step."""

    history: History
    played: list[str] = field(default_factory=list)

    async def step(self, name: str, _work: Callable[..., Any], *_args: Any) -> Any:
        place = len(self.played)
        told = self.history.steps[place] if place < len(self.history.steps) else None
        if told is None or told[0] != name:
            pytest.fail(
                f"step {place + 1} is {name!r}, on record is {told[0] if told else 'none'!r}. "
                + WHAT_TO_DO.format(self.history.workflow, self.history.version)
            )
        self.played.append(name)
        return told[1]

    def all_played(self) -> None:
        """Every step on record was asked for."""
        left = [name for name, _ in self.history.steps[len(self.played) :]]
        what = WHAT_TO_DO.format(self.history.workflow, self.history.version)
        assert left == [], f"never asked for: {left}. {what}"


class Nobody:
    """Servers, vendors and books that must not be asked, or the end of what was recorded."""

    async def call(self, *_: Any) -> Any:
        raise Reached("a server was asked")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for in a step that is on record")


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


def of(workflow: str) -> list[Any]:
    return [pytest.param(one, id=one.name) for one in HISTORIES if one.workflow == workflow]


def test_there_is_a_history_of_each_way() -> None:
    names = {(one.workflow, tuple(name for name, _ in one.steps)[-1]) for one in HISTORIES}
    assert {(PREPARE, "gather"), (DELIVER, "send"), (DELIVER, "crm_opportunity")} <= names


@pytest.mark.parametrize("history", of(DELIVER))
async def test_a_delivery_on_record_comes_to_the_same_end(
    history: History, sqlite_store: Store, clock: SteppableClock, config: Config
) -> None:
    delivery_id = history.about.removeprefix("deliver:")
    await sqlite_store.run(lambda conn: queue(conn, delivery_id, "L-1", "R-1", 1, iso(clock())))
    engine, deliveries, nobody = Recorded(history), Deliveries(sqlite_store, clock), Nobody()
    parts: Any = (nobody, deliveries, nobody, nobody, nobody, nobody)
    today = DeliverLead(engine, *parts, clock, Mode.LIVE)  # type: ignore[arg-type]
    assert await today.workflow(delivery_id) == history.result
    engine.all_played()
    assert (await deliveries.get(delivery_id)).state.value == history.result["state"]


@pytest.mark.parametrize("history", of(PREPARE))
async def test_what_was_gathered_on_record_is_enough_to_decide(
    history: History, clock: SteppableClock, config: Config
) -> None:
    engine, nobody = Recorded(history), Nobody()
    triage = Triage(config, clock, sandbox=True)
    parts: Any = (engine, nobody, nobody, triage, nobody)
    today = PrepareLead(config, *parts, sandbox=True)
    with pytest.raises(Reached):  # to write the draft: nothing is gathered again
        await today.workflow("R-1", 1)
    engine.all_played()
