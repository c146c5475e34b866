"""P3 between machines: one stands still with a send in its hands, another takes over, it wakes up.

The machines share a PostgreSQL and have a hive each, the second a copy of the first's: a machine
that was restored elsewhere while the old one was only asleep.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes.swarm import SWARM, run
from tests.promises.crash_cases import Point, Step
from tests.promises.crash_stage import Stage, opened_stage
from tests.promises.crash_takeover import OTHER_HIVE, Takeover

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.long,
    pytest.mark.timeout(400),
]
CASES = (
    Takeover("ghl", Point.CLAIMED, rival=True),
    Takeover("instantly", Point.DISPATCHING, leaving=True),
    Takeover("ghl", Point.ACTED, late=True),
    Takeover("instantly", Point.ENDED),
    Takeover("ghl", Point.CLAIMED, step=Step.NOTE),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened_stage(tmp_path_factory.mktemp("machines")) as opened:
        yield opened


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_machine_that_wakes_up_sends_nothing_that_the_other_sent(
    stage: Stage, case: Takeover, migrated_postgres_url: str
) -> None:
    verdict = stage.play(case, migrated_postgres_url)
    assert verdict.wrong == []
    assert verdict.emails <= 1
    folder = stage.last_hive.parent
    audit = [*SWARM, "audit", "verify", "--hive", str(folder / OTHER_HIVE)]
    done = run(audit, folder, SWARM_DATABASE_URL=migrated_postgres_url)
    assert done.returncode == 0, done.stdout + done.stderr
