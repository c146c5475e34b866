"""P3: at most one e-mail for each lead and touch, whatever crashes, whenever.

Here a few cells of the crash matrix, one of each kind; `make crash-matrix` plays them all: every
transition of each write of a send, three victims, both channels, and each fault of a vendor.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes.live import query
from tests.processes.swarm import swarm
from tests.promises.crash_cases import CASES, Case, Point, Step, Victim
from tests.promises.crash_stage import Stage, opened_stage
from tests.promises.crash_takeover import TAKEOVERS, Takeover

pytestmark = [pytest.mark.processes, pytest.mark.kill, pytest.mark.timeout(300)]
# One of each kind: the vendor has acted and nobody knows; nothing has happened; a server dies.
SHORT = (
    Case("instantly", Point.ACTED, Victim.QUEEN),
    pytest.param(Case("ghl", Point.CLAIMED, Victim.SENDER), marks=pytest.mark.long),
    pytest.param(Case("ghl", fault="timeout_before"), marks=pytest.mark.long),
)
# Both have a permit for the same e-mail, and the one that slept wakes up in the middle of it; and
# the one that slept has had the vendor's answer and not said so.
REVIVED = (
    Takeover("ghl", Point.CLAIMED, rival=True),
    pytest.param(Takeover("instantly", Point.ANSWERED, late=True), marks=pytest.mark.long),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened_stage(tmp_path_factory.mktemp("crashes")) as opened:
        yield opened


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_whoever_dies_wherever_nobody_gets_two_and_nothing_is_lost(
    stage: Stage, case: Case
) -> None:
    verdict = stage.play(case)
    assert verdict.wrong == []
    assert verdict.emails <= 1
    if case.fault == "timeout_before":
        assert (verdict.emails, verdict.state) == (0, "unknown")  # nobody could tell
        _resolve_by_hand(stage)


@pytest.mark.parametrize("case", REVIVED, ids=lambda case: case.name)
def test_a_run_that_stood_still_and_wakes_up_after_another_took_over_doubles_nothing(
    stage: Stage, case: Takeover
) -> None:
    verdict = stage.play(case)
    assert verdict.wrong == []
    assert (verdict.emails, verdict.state) == (1, "sent")


def _resolve_by_hand(stage: Stage) -> None:
    """What is unknown is listed, and a person's word ends it: on record, and never by sending."""
    hive = stage.last_hive
    code, found = swarm(hive, "sends", "unknown")
    assert code == 1
    (write,) = found["writes"]
    sent = len(stage.sandbox.outbox())
    word = ("--did-not-happen", "--reason", "the conversation does not show it")
    code, resolved = swarm(hive, "sends", "resolve", write["key"], *word)
    assert (code, resolved["status"]) == (0, "failed")
    assert swarm(hive, "sends", "unknown")[0] == 0
    assert [row["state"] for row in query(hive, "SELECT state FROM deliveries")] == ["failed"]
    code, told = swarm(hive, "explain", resolved["audit_id"])
    assert (code, told["record"]["body"]["send_resolved"]) == (0, write["key"])
    assert len(stage.sandbox.outbox()) == sent


def test_the_matrix_has_every_write_point_victim_channel_and_fault_once() -> None:
    kills = {(case.channel, case.step, case.point, case.victim) for case in CASES if case.point}
    assert {(channel, point) for channel, _, point, _ in kills} >= {
        (channel, point) for channel in ("ghl", "instantly") for point in Point
    }
    for victim in Victim:
        assert {step for _, step, _, struck in kills if struck is victim} == set(Step)
    assert len({case.fault for case in CASES if case.point is None}) == 11
    every = (*CASES, *TAKEOVERS)
    assert len({case.name for case in every}) == len(every) > 200
