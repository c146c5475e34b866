"""Charts: bounded, labelled, and inert whatever they are given."""

from __future__ import annotations

import re

import pytest

from orchestrator.campaign.charts import (
    NARROW,
    WIDE,
    Series,
    bars,
    course,
    fault_areas,
    fault_bars,
    lines,
)
from orchestrator.campaign.record import FaultSeen
from orchestrator.campaign.svg import MOST_POINTS, esc, steps, thin, times
from tests.orchestrator.campaign.report_samples import (
    HOSTILE,
    held,
    hour,
    labels,
    of_class,
    parsed,
    record,
    sample,
)


def test_ticks_of_values_are_round_and_reach_the_highest_value() -> None:
    assert steps(7, 3) == (0, 5, 10)
    assert steps(1, 4, whole=True) == (0, 1)
    assert steps(0.0034, 3)[-1] >= 0.0034
    assert steps(0, 3)[0] == 0
    assert len(steps(9_999_999, 4)) <= 7


def test_ticks_of_time_are_round_and_lie_inside() -> None:
    assert times(0, 60, 6) == (0, 10, 20, 30, 40, 50, 60)
    assert times(110, 230, 4) == (120, 150, 180, 210)
    assert all(0 <= t <= 3600 for t in times(0, 3600, 12))


def test_thinning_keeps_the_ends_and_every_peak_and_the_order() -> None:
    points = [(float(t), 1.0) for t in range(10_000)]
    points[4321] = (4321.0, 99.0)
    points[8765] = (8765.0, -5.0)

    thinned = thin(points)

    assert len(thinned) <= MOST_POINTS
    assert thinned[0] == points[0]
    assert thinned[-1] == points[-1]
    assert {points[4321], points[8765]} <= set(thinned)
    assert list(thinned) == sorted(thinned)


def test_text_that_would_break_xml_or_turn_a_line_round_is_replaced() -> None:
    shown = esc(HOSTILE)

    assert "<" not in shown
    assert not set("\x1b\u202e\ud800") & set(shown)
    assert shown.encode()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_stacked_areas_hold_every_fault_and_name_each_family_with_its_number(
    width: float,
) -> None:
    chart = parsed(fault_areas(held(), width))

    named = [label for label in labels(chart) if re.search(r" \d+$", label)]
    assert sum(int(label.rsplit(" ", 1)[1]) for label in named) == 50
    assert any(label.startswith("slow or silent") for label in named)


def test_faults_beyond_the_planned_end_are_still_in_the_last_interval() -> None:
    late = (FaultSeen(t=75, site="ghl.x", fault="reset"),)

    chart = parsed(fault_areas(record(faults=late)))

    assert of_class(chart, "s2")[-1].get("d")


def test_bars_are_drawn_to_scale_with_their_numbers() -> None:
    chart = parsed(bars("x", [("small", 5, "s1"), ("large", 10, "s1")]))

    wide = [float(each.get("width") or 0) for each in of_class(chart, "s1")]
    assert wide[0] == pytest.approx(2 * wide[1], abs=0.2)
    assert labels(chart) == ["large", "10", "small", "5"]


def test_bars_too_many_to_read_are_cut_and_the_page_says_so() -> None:
    chart = parsed(bars("x", [(f"cause {n}", n, "s1") for n in range(300)]))

    assert len(of_class(chart, "s1")) == 40
    assert "and 260 smaller ones" in labels(chart)


def test_lines_end_in_their_name_and_last_value_without_touching_each_other() -> None:
    both = [Series("a", "l1", [(0, 0), (9, 10)]), Series("b", "l2", [(0, 0), (9, 10)])]

    chart = parsed(lines("x", both, 10))

    ends = of_class(chart, "key")
    assert [end.text for end in ends] == ["a 10", "b 10"]
    heights = [float(end.get("y") or 0) for end in ends]
    assert abs(heights[0] - heights[1]) >= 14


def test_a_cap_is_a_line_when_near_and_words_when_far_above() -> None:
    spent = [Series("", "l3", [(0, 0), (9, 10)])]

    near, far = parsed(lines("x", spent, 10, cap=20)), parsed(lines("x", spent, 10, cap=10_000))

    assert len(of_class(near, "cap")) == 1
    assert not of_class(far, "cap")
    assert "cap 10,000, above this chart" in labels(far)


def test_one_sample_is_a_dot_and_none_is_said() -> None:
    one = dict(course(record(samples=(sample(3.0),))))
    none = dict(course(record()))

    assert of_class(parsed(one["Leads decided"]), "dot")
    assert labels(parsed(none["Leads decided"])) == ["No sample was taken."]


def test_an_hour_of_samples_is_few_points() -> None:
    for _, chart in course(hour()):
        for each in of_class(parsed(chart), "line"):
            assert len((each.get("points") or "").split()) <= MOST_POINTS


def test_a_campaign_without_faults_says_so() -> None:
    assert labels(parsed(fault_areas(record()))) == ["No fault was put anywhere."]
    assert labels(parsed(fault_bars(record()))) == ["There was none."]
