from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from guardrails.errors import BadInput
from orchestrator.campaign.plan import ALL_FAULTS, PROCESS_FAULTS, Plan, faults_of, seconds_of

PLAN = Plan("random", 90.0, 0.1, 7, ALL_FAULTS, True, Path("my leads.csv"), Path("h"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("45", 45), (" 1.5 M ", 90)]
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1d", "-3s", "0", "25h", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a duration"):
        seconds_of(text)


def test_faults_are_chosen_by_name_or_by_kind() -> None:
    assert faults_of("process") == PROCESS_FAULTS
    assert set(faults_of("http, process")) == set(ALL_FAULTS)
    assert faults_of("disk_full,http_503") == ("http_503", "disk_full")


def test_a_fault_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadInput, match="no fault 'http_418'"):
        faults_of("http_418")


def test_every_fault_is_of_one_kind() -> None:
    assert sorted([*PLAN.http_faults, *PLAN.process_faults]) == sorted(ALL_FAULTS)


def test_the_command_says_what_a_person_types_to_have_it_again() -> None:
    assert PLAN.command == (
        "swarm chaos --duration 90s --rate 0.1 --seed 7 --hive h --leads 'my leads.csv' --sandbox"
    )
    some = dataclasses.replace(PLAN, kind="sweep", faults=("slow",), sandbox=False)
    assert some.command.endswith("--hive h --sweep --faults slow")
