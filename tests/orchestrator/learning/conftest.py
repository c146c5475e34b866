"""The stage of the outcomes, with acts over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.learning.acts import Acts
from tests.orchestrator.outcomes.stage import Person, Stage


@pytest.fixture
def stage(hive: Hive, sqlite_store: Store, clock: Any) -> Iterator[Stage]:
    made = Stage.of(hive, sqlite_store, clock)
    yield made
    made.audit.close()


@pytest.fixture
def ana(stage: Stage) -> Person:
    return stage.wrote_to("ana.reyes@northwind.example")


@pytest.fixture
def acts(stage: Stage) -> Acts:
    return Acts(stage.store, stage.audit, stage.bank, stage.clock)
