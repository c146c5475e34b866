"""A house for each test, over SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardrails.hive import Hive
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.orchestrator.mcp.house import House


@pytest.fixture
def house(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[House]:
    made = House(hive, sqlite_store, clock)
    yield made
    made.close()
