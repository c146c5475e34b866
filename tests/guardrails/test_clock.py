"""Instants have one text form, which sorts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from guardrails.clock import iso, parse, utc_now


def test_an_instant_is_written_in_utc_with_microseconds() -> None:
    east = datetime(2026, 3, 10, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert iso(east) == "2026-03-09T23:30:00.000000Z"
    assert parse(iso(east)) == east
    assert parse("2026-03-09T23:30:00+00:00").tzinfo is UTC


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        iso(datetime(2026, 3, 10))  # noqa: DTZ001
    with pytest.raises(ValueError, match="zone"):
        parse("2026-03-10T00:00:00")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"])
def test_what_is_outside_the_calendar_in_utc_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse(text)


def test_the_wall_clock_is_aware() -> None:
    assert utc_now().tzinfo is UTC
