from __future__ import annotations

import pytest

from orchestrator.campaign.rounds import Round, RowSeen
from orchestrator.campaign.verdicts import LOST, differences, judge_row, lead_results, worst

NAMED = ({"code": "lookup_failed", "text": "ghl did not answer"},)


def seen(
    row: int = 1,
    state: str | None = "shadow_logged",
    reasons: tuple[dict[str, str], ...] = (),
    decisions: int = 1,
) -> RowSeen:
    return RowSeen(row, f"L-{row}", state, reasons, decisions)


def a_round(number: int, *rows: RowSeen) -> Round:
    return Round(number, rows=rows)


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (seen(), "same"),
        (seen(state="deferred", reasons=NAMED), "more_cautious"),
        (seen(state="deferred"), "different"),  # a deferral that names no failure
        (seen(state="deferred", reasons=({"code": "timezone_unknown"},)), "different"),
        (seen(state="disqualified", reasons=NAMED), "different"),
        (seen(state="review", reasons=NAMED), "different"),
        (seen(state=None), "lost"),
        (None, "lost"),
        (seen(decisions=0), "lost"),  # a state, and nothing on record
        (seen(decisions=2), "doubled"),
    ],
)
def test_a_row_is_judged_against_its_state_without_faults(
    row: RowSeen | None, verdict: str
) -> None:
    assert judge_row("shadow_logged", row) == verdict


def test_one_bad_round_decides_about_a_lead() -> None:
    assert worst(["same", "more_cautious", "different", "same"]) == "different"
    assert worst(["same", "more_cautious"]) == "more_cautious"
    assert worst([]) == "same"


def test_a_lead_is_shown_with_all_its_states() -> None:
    baseline = a_round(0, seen(1), seen(2, "blocked"))
    cautious = seen(1, "deferred", NAMED)
    rounds = [a_round(1, cautious, seen(2, "blocked")), a_round(2, seen(1), seen(2, "blocked"))]
    one, two = lead_results(baseline, rounds, baseline)
    assert (one.under_faults, one.verdict) == (("deferred", "shadow_logged"), "more_cautious")
    assert (two.under_faults, two.after, two.verdict) == (("blocked",) * 2, "blocked", "same")


def test_with_the_faults_over_caution_is_no_excuse() -> None:
    baseline = a_round(0, seen())
    after = a_round(1, seen(state="deferred", reasons=NAMED))
    assert lead_results(baseline, [baseline], after)[0].verdict == "different"


def test_a_row_that_a_round_does_not_know_is_lost_and_one_more_than_before_too() -> None:
    baseline = a_round(0, seen(1), seen(2))
    found = lead_results(baseline, [a_round(1, seen(1))], baseline)
    assert (found[1].under_faults, found[1].verdict) == ((LOST,), "lost")
    surplus = lead_results(a_round(0, seen(1)), [a_round(1, seen(1), seen(2))], baseline)
    assert surplus[1].verdict == "lost"


def test_without_a_recovery_nobody_is_fine() -> None:
    baseline = a_round(0, seen())
    assert lead_results(baseline, [baseline], None)[0].verdict == "lost"


def test_two_rounds_that_should_be_the_same_are_compared_row_by_row() -> None:
    first = a_round(0, seen(1), seen(2), seen(3, None))
    second = a_round(0, seen(1), seen(2, "review"), seen(3, None))
    assert differences(first, second) == [
        "row 2: shadow_logged and review", "row 3: None and None"
    ]  # fmt: skip
