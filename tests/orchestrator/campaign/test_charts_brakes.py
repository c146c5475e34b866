"""The time line of the breakers, and the key picture: no bar where a door was shut."""

from __future__ import annotations

import pytest

from orchestrator.campaign.brake_spans import Shut, doors, inside, lanes, shut, trips
from orchestrator.campaign.charts import NARROW, WIDE
from orchestrator.campaign.charts_brakes import arrivals, breaker_lanes, closeup, door
from orchestrator.campaign.record import CampaignRecord
from tests.orchestrator.campaign.report_samples import (
    extents,
    held,
    hour,
    labels,
    of_class,
    parsed,
    record,
    span,
)


def overlaps(chart: str) -> float:
    """Pixels in which a bar and a shut stretch are both drawn."""
    root = parsed(chart)
    shades = list(extents(root, "shut"))
    bars = list(extents(root, "bar"))
    assert shades
    assert bars
    return max(
        (min(a[1], b[1]) - max(a[0], b[0]) for a in bars for b in shades),
        default=0.0,
    )


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_bar_stands_in_a_shaded_stretch_when_nothing_arrived_there(width: float) -> None:
    chart = arrivals(held(), "ghl", width)

    assert overlaps(chart) <= 0.11
    assert not of_class(parsed(chart), "wrong")


def test_a_request_in_a_shut_second_is_drawn_as_wrong_and_counted() -> None:
    bad = held().model_copy(update={"arrivals": {"ghl": ((19, 3), (22, 2))}})

    chart = parsed(arrivals(bad, "ghl"))

    assert len(list(extents(chart, "wrong"))) == 1
    assert (chart.get("aria-label") or "").startswith("Requests at ghl. 2 requests in seconds")
    assert "arrived although open" in labels(chart)


def test_a_second_that_was_open_in_part_is_drawn_in_its_open_part() -> None:
    trip = [Shut(10.4, 16.7, whole=True)]

    bars = door([(9, 1), (10, 5), (16, 2), (17, 4)], trip, 1)

    assert [(bar.start, bar.end, bar.requests) for bar in bars] == [
        (9, 10, 1), (10, 10.4, 5), (16.7, 17, 2), (17, 18, 4),
    ]  # fmt: skip
    assert not any(bar.wrong for bar in bars)


def test_longer_bars_are_cut_at_the_trip_and_show_their_busiest_second() -> None:
    bars = door([(1, 2), (3, 9), (8, 4)], [Shut(5, 8, whole=True)], 10)

    assert [(bar.start, bar.end, bar.requests) for bar in bars] == [(0, 5, 9), (8, 10, 4)]


def test_a_door_is_shut_only_where_every_class_of_its_calls_is() -> None:
    spans = [span("open", 10, 20), span("open", 15, 30, operation_class="paid_read")]

    found = shut(spans, "ghl")

    assert found == [Shut(10, 15, False), Shut(15, 20, True), Shut(20, 30, False)]
    assert [inside(found, second) for second in (14, 15, 19, 20)] == [False, True, True, False]


def test_of_many_wrong_seconds_the_busiest_of_a_stretch_is_drawn_and_all_are_counted() -> None:
    bad = held().model_copy(update={"seconds": 3600.0, "arrivals": {"ghl": ((22, 2), (23, 5))}})

    chart = parsed(arrivals(bad, "ghl"))

    assert len(list(extents(chart, "wrong"))) == 1
    assert (chart.get("aria-label") or "").startswith("Requests at ghl. 7 requests in seconds")


def test_a_door_of_one_breaker_is_shut_by_that_breaker_alone() -> None:
    spans = [span("open", 10, 20), span("open", 15, 30, operation_class="paid_read")]

    assert shut(spans, "ghl read") == [Shut(10, 20, True)]
    assert shut(spans, "ghl paid_read") == [Shut(15, 30, True)]


def test_a_breaker_is_closed_before_its_first_change() -> None:
    (lane,) = lanes([span("open", 10, 20, reason="x")]).values()

    assert [(one.state, one.start, one.end, one.reason) for one in lane] == [
        ("closed", 0, 10, ""), ("open", 10, 20, "x"),
    ]  # fmt: skip


def test_doors_are_those_of_arrivals_and_of_breakers_with_ghl_first() -> None:
    given = record(
        arrivals={"clay read": ((1, 1),), "ghl read": ((1, 1),)},
        breakers=(span("open", 1, 9, vendor="clay", operation_class="paid_read"),),
    )

    assert doors(given) == ["ghl read", "clay paid_read", "clay read"]
    assert "clay · read" in labels(parsed(breaker_lanes(given)))


def test_open_stretches_that_follow_each_other_shut_the_second_between_them() -> None:
    assert inside([Shut(9, 10.5, True), Shut(10.5, 12, True)], 10)
    assert not inside([Shut(9, 10.4, True), Shut(10.5, 12, True)], 10)


def test_a_failed_probe_is_no_second_trip() -> None:
    spans = [span("closed", 0, 5), span("open", 5, 9), span("half_open", 9, 10),
             span("open", 10, 14), span("closed", 14, 20), span("open", 20, 30)]  # fmt: skip

    assert trips(spans) == 2


def test_each_breaker_has_a_lane_with_its_states_in_different_heights_and_its_reason() -> None:
    chart = parsed(breaker_lanes(held()))

    heights = {
        state: {each.get("height") for each in of_class(chart, f"b-{state}")} - {"11"}
        for state in ("closed", "half_open", "open")
    }
    assert heights == {"closed": {"3"}, "half_open": {"9"}, "open": {"18"}}
    titles = ["".join(each.itertext()) for each in of_class(chart, "b-open")]
    assert "open 0:20 to 0:26: 5 failures in a row (http_503)" in titles
    assert "ghl · read" in labels(chart)
    assert "opened 1×, 6 s in all" in labels(chart)


def test_a_trip_too_short_to_see_is_still_drawn() -> None:
    chart = parsed(breaker_lanes(record(breakers=(span("open", 59.99, 60),))))

    left, right = next(iter(extents(chart, "b-open")))
    assert right - left >= 1.4
    assert right <= WIDE


def test_a_breaker_that_flaps_for_an_hour_stays_a_bounded_picture() -> None:
    flapping = hour()

    assert len(breaker_lanes(flapping)) < 200_000
    assert len(arrivals(flapping, "ghl")) < 300_000


def test_the_closeup_starts_before_the_first_trip() -> None:
    start, end = closeup(held(), "ghl", 120.0)

    assert start <= 20 < end
    assert start % 10 == 0


def test_a_vendor_that_nothing_is_known_of_says_so() -> None:
    empty: CampaignRecord = record()

    assert labels(parsed(arrivals(empty, "ghl"))) == ["Nothing arrived, and no breaker opened."]
    assert labels(parsed(breaker_lanes(empty)))[0].startswith("No breaker changed")
