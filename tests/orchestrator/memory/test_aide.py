"""A memory that does not even start stops nobody. Its kills and hangs: `tests/processes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardrails.errors import ConfigError
from guardrails.remembering import remembers
from guardrails.store import Store
from orchestrator.memory.aide import Aide
from orchestrator.memory.opening import has_memory, started, switch
from orchestrator.processes import ServerSpec
from tests.decision_samples import LEAD

pytestmark = pytest.mark.anyio
KEYS = {"SUPABASE_URL": "https://x.example", "SUPABASE_KEY": "k"}


async def test_a_process_that_cannot_start_stops_nobody(tmp_path: Path) -> None:
    aide = Aide(ServerSpec("memory", {}, "orchestrator.no_such"), tmp_path)
    async with started(aide):
        found = await aide.recall(LEAD)
    assert (found.answered, found.why) == (False, "its process is not running")
    assert aide.pid is None


async def test_without_a_memory_nothing_is_started() -> None:
    async with started(None):
        pass


@pytest.mark.parametrize(
    ("values", "sandbox", "expected"),
    [
        (KEYS, False, True),
        ({}, False, False),
        (KEYS, True, False),
        ({"SWARM_SANDBOX_MEMORY": "0"}, True, False),
        ({"SWARM_SANDBOX_MEMORY": "1"}, True, True),
    ],
)
def test_for_real_there_is_one_and_in_the_sandbox_when_asked_for(
    values: dict[str, str], sandbox: bool, expected: bool
) -> None:
    assert has_memory(values, sandbox=sandbox) is expected


def test_a_switch_that_says_neither_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        has_memory({"SWARM_SANDBOX_MEMORY": "yes"}, sandbox=True)


async def test_only_a_sandbox_of_its_own_stops_remembering(store: Store, clock: Any) -> None:
    def on() -> bool:
        with store.read() as conn:
            return remembers(conn)

    await switch(store, clock, on=True, sandbox=True)
    assert on()
    await switch(store, clock, on=False, sandbox=False)
    assert on()
    await switch(store, clock, on=False, sandbox=True)
    assert on() is (store.dialect == "postgresql")
