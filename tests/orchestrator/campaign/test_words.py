"""Values as people read them."""

from __future__ import annotations

import pytest

from guardrails.config.models.production import Fault
from guardrails.model import LeadState
from orchestrator.campaign.words import (
    FAMILIES,
    STATES,
    clean,
    clock,
    count,
    family,
    lasting,
    letter,
    line,
    many,
    money,
)


def test_every_fault_has_a_family_and_every_state_its_own_letter() -> None:
    assert set(Fault.__args__) == {fault for faults in FAMILIES.values() for fault in faults}
    assert set(STATES) == {state.value for state in LeadState}
    assert len({mark for mark, _ in STATES.values()}) == len(STATES)
    assert family("no such fault") == "other"
    assert letter("no such state") == "!"


@pytest.mark.parametrize(
    ("micros", "told"),
    [(0, "$0.00"), (8_430_000, "$8.43"), (1_234_567_890, "$1,234.57"), (3_000, "$0.0030"),
     (250, "$0.00025")],
)  # fmt: skip
def test_small_amounts_are_not_rounded_to_nothing(micros: int, told: str) -> None:
    assert money(micros) == told


def test_durations_and_numbers_are_short() -> None:
    assert [lasting(s) for s in (0.42, 6, 42, 60, 125, 3600)] == [
        "0.4 s", "6 s", "42 s", "1 min", "2 min 5 s", "1 h 0 min",
    ]  # fmt: skip
    assert [clock(s) for s in (0, 59.6, 3599, 3600)] == ["0:00", "1:00", "59:59", "1:00:00"]
    assert [count(1234), count(0.5)] == ["1,234", "0.5"]
    assert [many(1, "lead"), many(2, "lead")] == ["1 lead", "2 leads"]


def test_text_is_cleaned_bounded_and_when_wanted_on_one_line() -> None:
    assert clean("a\x1b[2Jb\u202ec\ud800") == "a�[2Jb�c�"
    assert clean("x" * 50, 10) == "x" * 9 + "…"
    assert line("a\n\t b\r\nc") == "a b c"
