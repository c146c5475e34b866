"""The studio that the tests of writes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardrails.hive import Hive
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.servers.ghl.writing import Studio, studio_over


@pytest.fixture
def studio(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Studio]:
    with studio_over(hive, sqlite_store, clock) as opened:
        yield opened
