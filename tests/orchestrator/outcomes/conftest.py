"""One stage a test, on both databases or on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guardrails.hive import Hive
from guardrails.store import Store
from tests.orchestrator.outcomes.stage import Person, Stage


@pytest.fixture
def stage(hive: Hive, sqlite_store: Store, clock: Any) -> Iterator[Stage]:
    made = Stage.of(hive, sqlite_store, clock)
    yield made
    made.audit.close()


@pytest.fixture
def stage_of_both(hive: Hive, store: Store, clock: Any) -> Iterator[Stage]:
    made = Stage.of(hive, store, clock)
    yield made
    made.audit.close()


@pytest.fixture
def ana(stage: Stage) -> Person:
    return stage.wrote_to("ana.reyes@northwind.example")
