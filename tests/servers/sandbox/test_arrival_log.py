"""The twins tell when each request reached them, and forget the oldest before memory grows."""

from __future__ import annotations

import sys

import pytest

from servers.sandbox.arrivals import Arrivals

START = 1773151200.0  # the test clock's first second


def test_each_request_is_one_line_with_its_time_and_template(wire, clock):
    wire.search()
    clock.step(1.2345)
    wire("GET", "/ghl/contacts/nobody")
    wire("GET", "/nothing/here")  # no twin: nobody's
    wire("DELETE", "/clay/elsewhere")
    assert wire("GET", "/_twin/log").json() == [
        [START, "ghl", "POST", "/contacts/search", 200],
        [START + 1.234, "ghl", "GET", "/contacts/{id}", 400],
        [START + 1.234, "clay", "DELETE", "(unknown)", 404],
    ]
    assert wire("GET", "/_twin/arrivals").json() == {
        "ghl": [[int(START), 1], [int(START) + 1, 1]],
        "clay": [[int(START) + 1, 1]],
    }


def test_the_log_can_be_asked_for_one_vendor_and_from_a_moment_on(wire, clock):
    wire.search()
    wire("GET", "/clay/me")
    clock.step(10)
    wire("GET", "/clay/me")
    vendors = [line[1] for line in wire("GET", "/_twin/log?vendor=clay").json()]
    assert vendors == ["clay", "clay"]
    late = wire("GET", f"/_twin/log?vendor=clay&since={START + 10}").json()
    assert late == [[START + 10, "clay", "GET", "/me", 200]]
    assert wire("GET", f"/_twin/log?since={START + 10.001}").json() == []


def test_what_an_outage_or_a_refusal_turned_away_has_arrived_too(wire):
    wire.behave(outage={"ghl": 503}, fail_next={"rb2b": 1})
    wire.search()
    wire("GET", "/rb2b/credits")
    wire("GET", "/instantly/api/v2/campaigns", {})
    lines = wire("GET", "/_twin/log").json()
    assert [(line[1], line[4]) for line in lines] == [
        ("ghl", 503),
        ("rb2b", 503),
        ("instantly", 401),
    ]


@pytest.mark.parametrize("query", ["vendor=gohighlevel", "since=yesterday", "since="])
def test_a_question_it_cannot_answer_is_refused(wire, query):
    assert wire("GET", f"/_twin/log?{query}").status_code == 422


def test_reset_forgets_the_arrivals(wire):
    wire.search()
    wire("POST", "/_twin/reset")
    assert wire("GET", "/_twin/log").json() == []
    assert wire("GET", "/_twin/arrivals").json() == {}


def test_a_full_ring_keeps_the_newest_in_order_and_counts_them_all():
    arrivals = Arrivals(kept=5)
    for second in range(12):
        arrivals.add(second + 0.5, "ghl", "GET", f"/{second % 3}", 200 + second)
    assert [line[0] for line in arrivals.lines()] == [7.5, 8.5, 9.5, 10.5, 11.5]
    assert [line[4] for line in arrivals.lines(since=10)] == [210, 211]
    assert sum(count for _, count in arrivals.per_second()["ghl"]) == 12


def test_a_line_costs_no_more_than_a_few_numbers():
    arrivals = Arrivals(kept=10_000)
    for number in range(30_000):
        arrivals.add(number / 1000, "ghl", "GET", "/contacts/{id}", 200)
    held = (arrivals._at, arrivals._endpoint, arrivals._status)
    assert sum(map(sys.getsizeof, held)) < 20 * 10_000
    assert len(arrivals.per_second()["ghl"]) == 30


def test_a_clock_that_was_set_back_hides_no_request():
    arrivals = Arrivals()
    for at in (100.0, 130.0, 90.0, 131.0):
        arrivals.add(at, "ghl", "GET", "/", 200)
    assert [line[0] for line in arrivals.lines(since=100)] == [100.0, 130.0, 131.0]
