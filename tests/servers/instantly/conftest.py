"""A desk for each test: the server over its own twin, ledger and permits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardrails.hive import Hive
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.servers.instantly.desk import Desk
from tests.servers.permits import permit_office


@pytest.fixture
def desk(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Desk]:
    with permit_office(hive, sqlite_store, clock) as office:
        yield Desk(office, clock)
