"""Approved text comes out of HTML as it went in; a campaign's hours are the recipients' hours."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.config.models import SendingWindow
from guardrails.errors import BadInput
from guardrails.schedule import next_send
from servers.instantly.contract_schedule import DAYS, TIME_ZONES, keeps_window, schedule_for
from servers.instantly.contract_text import body_html, body_text, checked_subject
from servers.sandbox.outbox import as_read

WEEKDAYS = SendingWindow(days=("mon", "tue", "wed", "thu", "fri"), start=time(8), end=time(18))
NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
_shown = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
_bodies = st.text(st.one_of(_shown, st.sampled_from("\n\n  {}<>&;#\"'")), min_size=1).filter(
    lambda text: text.strip()
)


@given(_bodies)
def test_a_body_comes_back_as_it_was(body: str) -> None:
    html = body_html(body)
    assert body_text(html) == body
    assert not set("{}\n") & set(html)  # no template of the vendor's, no line end of ours
    assert "<" not in html.replace("<br/>", "")


@given(_bodies)
def test_what_is_read_is_what_was_written(body: str) -> None:
    def shown(text: str) -> str:  # a space that HTML would swallow is a hard one
        return text.replace("\xa0", " ")

    assert shown(as_read(body_html(body))) == shown(body)


def test_an_ordinary_body_is_read_byte_for_byte() -> None:
    body = 'Hi 美咲,\n\nI saw that A&B is "hiring".\n\nRobin\n12 Sample Street, IL 62701, USA'
    assert as_read(body_html(body)) == body


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<b>bold</b>",
        "a<br>b",
        "a&nbsp;b",
        "a&#65;b",
        "&amp",
        "{{firstName}}",
        "a\nb",
        "a  b",
    ],
)
def test_html_that_is_no_texts_is_refused(html: str) -> None:
    with pytest.raises(BadInput):
        body_text(html)


@pytest.mark.parametrize("body", ["", "  \n ", "a\rb", "a\x00b", "a\tb", "a\u2028b", "a\ud800b"])
def test_a_body_that_could_not_be_shown_is_refused(body: str) -> None:
    with pytest.raises(BadInput):
        body_html(body)


@pytest.mark.parametrize("subject", ["", " ", "a\nb", "Hi {{firstName}}", "{Hi|Hello}", "a\x07"])
def test_a_subject_that_the_vendor_would_change_is_refused(subject: str) -> None:
    with pytest.raises(BadInput):
        checked_subject(subject)


@pytest.mark.parametrize(
    ("zone", "vendors", "hours"),
    [
        ("America/Chicago", "America/Chicago", ("08:00", "18:00")),
        ("America/New_York", "America/Detroit", ("08:00", "18:00")),
        ("Europe/London", "Europe/Isle_of_Man", ("08:00", "18:00")),
        ("America/Los_Angeles", "America/Anchorage", ("07:00", "17:00")),
        ("Asia/Kolkata", "Asia/Kolkata", ("08:00", "18:00")),
    ],
)
def test_a_zone_that_the_vendor_lacks_has_one_whose_clocks_agree(
    zone: str, vendors: str, hours: tuple[str, str]
) -> None:
    schedule = schedule_for(WEEKDAYS, [ZoneInfo(zone)], NOW)
    assert schedule is not None
    assert (schedule.time_zone, (schedule.start, schedule.end)) == (vendors, hours)


ZONES = st.sampled_from(
    ["America/New_York", "America/Los_Angeles", "Europe/London", "Asia/Tokyo", "Asia/Kathmandu",
     "Australia/Lord_Howe", "Pacific/Chatham", "America/Phoenix", "Europe/Berlin", *TIME_ZONES]
)  # fmt: skip


@settings(max_examples=40)
@given(
    st.sets(ZONES, min_size=1, max_size=2),
    st.integers(0, 399),
    st.integers(0, 24 * 60 - 1),
    st.sampled_from([WEEKDAYS, SendingWindow(days=("sun", "sat"), start=time(9), end=time(12))]),
)
def test_every_minute_of_a_schedule_lies_in_every_recipients_window(
    names: set[str], day: int, minute: int, window: SendingWindow
) -> None:
    zones = tuple(ZoneInfo(name) for name in names)
    schedule = schedule_for(window, zones, NOW)
    if schedule is None:
        return
    assert keeps_window(schedule, window, zones, NOW)
    local = (NOW + timedelta(days=day)).astimezone(ZoneInfo(schedule.time_zone))
    local = local.replace(hour=minute // 60, minute=minute % 60)
    clock, weekday = local.strftime("%H:%M"), DAYS[(local.weekday() + 1) % 7]
    if weekday in schedule.days and schedule.start <= clock < schedule.end:
        moment = local.astimezone(UTC)
        assert next_send(moment, zones, window) == moment


def test_zones_whose_windows_never_meet_have_no_schedule() -> None:
    apart = (ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York"))
    assert schedule_for(WEEKDAYS, apart, NOW) is None
    assert schedule_for(WEEKDAYS, (), NOW) is None


def test_a_schedule_that_is_a_minute_too_long_does_not_keep_the_window() -> None:
    zones = (ZoneInfo("America/New_York"),)
    schedule = schedule_for(WEEKDAYS, zones, NOW)
    assert schedule is not None
    for changed in ({"start": "07:59"}, {"end": "18:01"}, {"days": ("sat",)}, {"end": "08:00"}):
        late = schedule.model_copy(update=changed)
        assert not keeps_window(late, WEEKDAYS, zones, NOW)
