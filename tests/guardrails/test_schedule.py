"""The recipient's sending window."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from guardrails.config.models import SendingWindow
from guardrails.schedule import next_send, window_zones
from tests.decision_samples import LEAD, fact

WINDOW = SendingWindow(days=("mon", "tue", "wed", "thu", "fri"), start=time(8), end=time(18))
NEW_YORK = (ZoneInfo("America/New_York"),)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zones", "wanted"),
    [
        ("2026-03-10 14:00", NEW_YORK, "2026-03-10 14:00"),  # Tuesday, 10:00 local
        ("2026-03-10 11:59", NEW_YORK, "2026-03-10 12:00"),  # a minute early
        ("2026-03-10 12:00", NEW_YORK, "2026-03-10 12:00"),
        ("2026-03-10 21:59", NEW_YORK, "2026-03-10 21:59"),
        ("2026-03-10 22:00", NEW_YORK, "2026-03-11 12:00"),  # 18:00 is over
        ("2026-03-13 22:30", NEW_YORK, "2026-03-16 12:00"),  # Friday evening
        ("2026-03-14 15:00", NEW_YORK, "2026-03-16 12:00"),  # Saturday
        # the clocks go forward on Sunday 8 March 2026: 08:00 is 13:00 UTC before, 12:00 after
        ("2026-03-06 23:30", NEW_YORK, "2026-03-09 12:00"),
        ("2026-03-06 12:30", NEW_YORK, "2026-03-06 13:00"),
        # and back on Sunday 1 November 2026
        ("2026-10-30 22:30", NEW_YORK, "2026-11-02 13:00"),
        ("2026-03-10 14:00", (ZoneInfo("Asia/Tokyo"),), "2026-03-10 23:00"),
        ("2026-03-13 14:00", (ZoneInfo("Asia/Kolkata"),), "2026-03-16 02:30"),
    ],
)
def test_next_moment(now: str, zones: tuple[ZoneInfo, ...], wanted: str) -> None:
    assert next_send(utc(now), zones, WINDOW) == utc(wanted)


def test_a_place_with_two_zones_waits_for_both() -> None:
    both = (ZoneInfo("America/New_York"), ZoneInfo("America/Chicago"))
    assert next_send(utc("2026-03-10 12:10"), both, WINDOW) == utc("2026-03-10 13:00")
    assert next_send(utc("2026-03-10 22:10"), both, WINDOW) == utc("2026-03-11 13:00")


def test_windows_that_never_meet_give_no_time() -> None:
    far = (ZoneInfo("America/Los_Angeles"), ZoneInfo("Asia/Tokyo"))
    narrow = SendingWindow(days=("mon",), start=time(9), end=time(10))
    assert next_send(utc("2026-03-10 12:00"), far, narrow) is None
    assert (
        next_send(utc("2026-03-10 12:00"), NEW_YORK, WINDOW.model_copy(update={"days": ()})) is None
    )


@pytest.mark.parametrize(
    ("lead", "facts", "wanted"),
    [
        ({"timezone": "Asia/Tokyo"}, {}, {"Asia/Tokyo"}),
        ({}, {"timezone": fact("Europe/Paris")}, {"Europe/Paris"}),
        ({"country": "FR"}, {}, {"Europe/Paris"}),
        ({"country": "de"}, {}, {"Europe/Berlin"}),
        ({"country": "ES"}, {}, {"Europe/Madrid", "Atlantic/Canary"}),
        ({"country": "CN"}, {}, {"Asia/Shanghai"}),
        ({"country": None}, {"country": fact("IN")}, {"Asia/Kolkata"}),
        ({"country": "US", "state": "California"}, {}, {"America/Los_Angeles"}),
        ({"country": "US", "state": "ca"}, {}, {"America/Los_Angeles"}),
        ({"country": "US", "state": "FL"}, {}, {"America/New_York", "America/Chicago"}),
        ({"country": "CA", "state": "QC"}, {}, {"America/Toronto"}),
        ({"country": "AU", "state": "Queensland"}, {}, {"Australia/Brisbane"}),
        ({"country": "US"}, {}, None),
        ({"country": "CA"}, {}, None),
        ({"country": "AU"}, {}, None),
        ({"country": "BR"}, {}, None),
        ({"country": "RU"}, {}, None),
        ({"country": "ZZ"}, {}, None),
        ({"country": None}, {}, None),
        ({"country": "US", "timezone": "../etc/passwd"}, {}, None),
        ({"country": "US", "timezone": ""}, {}, None),
    ],
)
def test_zones(lead: dict[str, Any], facts: dict[Any, Any], wanted: set[str] | None) -> None:
    fields = {"timezone": None, "country": None, "state": None, **lead}
    found = window_zones(LEAD.model_copy(update=fields), facts, utc("2026-03-10 12:00"))
    assert (found and {zone.key for zone in found}) == wanted
