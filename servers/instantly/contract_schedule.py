"""When a campaign sends. Owns: the vendor's short list of time zones, and the schedule that keeps
every e-mail inside the recipients' own window.

Instantly sends by the campaign's schedule, not when a lead is enrolled: a campaign in the wrong
zone would hold an e-mail over and send it at five in the morning. So recipients of different
zones are in different campaigns, and where the vendor lacks a zone (it has none for New York, Los
Angeles or London) the schedule is that of another one, cut to the hours which lie in the
recipients' window all year round. Refuses to guess: no such hours, no schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pydantic import Field

from guardrails.config.models import SendingWindow
from guardrails.model.base import Frozen

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # the vendor's "0" to "6"
TIME_ZONES: tuple[str, ...] = (
    "Etc/GMT+12", "Etc/GMT+11", "Etc/GMT+10", "America/Anchorage", "America/Dawson",
    "America/Creston", "America/Chihuahua", "America/Boise", "America/Belize", "America/Chicago",
    "America/Bahia_Banderas", "America/Regina", "America/Bogota", "America/Detroit",
    "America/Indiana/Marengo", "America/Caracas", "America/Asuncion", "America/Glace_Bay",
    "America/Campo_Grande", "America/Anguilla", "America/Santiago", "America/St_Johns",
    "America/Sao_Paulo", "America/Argentina/La_Rioja", "America/Araguaina", "America/Godthab",
    "America/Montevideo", "America/Bahia", "America/Noronha", "America/Scoresbysund",
    "Atlantic/Cape_Verde", "Africa/Casablanca", "America/Danmarkshavn", "Europe/Isle_of_Man",
    "Atlantic/Canary", "Africa/Abidjan", "Arctic/Longyearbyen", "Europe/Belgrade", "Africa/Ceuta",
    "Europe/Sarajevo", "Africa/Algiers", "Africa/Windhoek", "Asia/Nicosia", "Asia/Beirut",
    "Africa/Cairo", "Asia/Damascus", "Europe/Bucharest", "Africa/Blantyre", "Europe/Helsinki",
    "Europe/Istanbul", "Asia/Jerusalem", "Africa/Tripoli", "Asia/Amman", "Asia/Baghdad",
    "Europe/Kaliningrad", "Asia/Aden", "Africa/Addis_Ababa", "Europe/Kirov", "Europe/Astrakhan",
    "Asia/Tehran", "Asia/Dubai", "Asia/Baku", "Indian/Mahe", "Asia/Tbilisi", "Asia/Yerevan",
    "Asia/Kabul", "Antarctica/Mawson", "Asia/Yekaterinburg", "Asia/Karachi", "Asia/Kolkata",
    "Asia/Colombo", "Asia/Kathmandu", "Antarctica/Vostok", "Asia/Dhaka", "Asia/Rangoon",
    "Antarctica/Davis", "Asia/Novokuznetsk", "Asia/Hong_Kong", "Asia/Krasnoyarsk", "Asia/Brunei",
    "Australia/Perth", "Asia/Taipei", "Asia/Choibalsan", "Asia/Irkutsk", "Asia/Dili",
    "Asia/Pyongyang", "Australia/Adelaide", "Australia/Darwin", "Australia/Brisbane",
    "Australia/Melbourne", "Antarctica/DumontDUrville", "Australia/Currie", "Asia/Chita",
    "Antarctica/Macquarie", "Asia/Sakhalin", "Pacific/Auckland", "Etc/GMT-12", "Pacific/Fiji",
    "Asia/Anadyr", "Asia/Kamchatka", "Etc/GMT-13", "Pacific/Apia",
)  # fmt: skip
_DAY_MIN = 24 * 60
_LAST_MIN = _DAY_MIN - 1  # 23:59: the vendor writes no 24:00
_AHEAD = timedelta(days=400)
_STEP = timedelta(hours=6)
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class CampaignSchedule(Frozen):
    """The hours in which a campaign sends, in its own zone."""

    time_zone: str = Field(description="One of the vendor's zones.")
    start: str = Field(pattern=_CLOCK, description="HH:MM")
    end: str = Field(pattern=_CLOCK, description="HH:MM, later than the start.")
    days: tuple[str, ...] = Field(min_length=1, description="sun mon tue wed thu fri sat")


def schedule_for(
    window: SendingWindow, zones: Sequence[ZoneInfo], now: datetime
) -> CampaignSchedule | None:
    """The longest schedule that lies in `window` in every zone from `now` on (400 days).

    Among equally long ones: of the zone whose clocks are nearest, then in the vendor's order.
    None when there is none, as for zones whose windows never meet.
    """
    if not zones:
        return None
    best: tuple[int, int] | None = None
    found: CampaignSchedule | None = None
    for name in TIME_ZONES:
        start, end, shift = _hours(window, name, zones, now)
        rank = (end - start, -shift)
        if end > start and (best is None or rank > best):
            best, found = rank, _schedule(window, name, start, end)
    return found


def keeps_window(
    schedule: CampaignSchedule, window: SendingWindow, zones: Sequence[ZoneInfo], now: datetime
) -> bool:
    """Whether every moment of `schedule` lies in `window` in all of `zones`."""
    if schedule.time_zone not in TIME_ZONES or not zones:
        return False
    start, end, _ = _hours(window, schedule.time_zone, zones, now)
    inside = start <= _minutes(schedule.start) < _minutes(schedule.end) <= end
    return inside and set(schedule.days) <= set(window.days)


def _hours(
    window: SendingWindow, name: str, zones: Iterable[ZoneInfo], now: datetime
) -> tuple[int, int, int]:
    """First and last minute of `name`'s day that lie in the window everywhere, and the most
    minutes that its clocks differ from the recipients'. The last is before the first if never."""
    since = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ours = _offsets(name, since)
    start, end, shift = 0, _LAST_MIN, 0
    for place in zones:
        theirs = _offsets(place.key, since)
        ahead = {there - here for there, here in zip(theirs, ours, strict=True)}
        opens = window.start.hour * 60 + window.start.minute
        closes = window.end.hour * 60 + window.end.minute
        start, end = max(start, opens - min(ahead)), min(end, closes - max(ahead))
        shift = max(shift, -min(ahead), max(ahead))
    return start, end, shift


@lru_cache(maxsize=512)
def _offsets(name: str, since: datetime) -> tuple[int, ...]:
    """Minutes ahead of UTC, every six hours over the time that a schedule is made for."""
    place = ZoneInfo(name)
    count = int(_AHEAD / _STEP)
    offsets = ((since + at * _STEP).astimezone(place).utcoffset() for at in range(count))
    return tuple(int((offset or timedelta()).total_seconds() // 60) for offset in offsets)


def _schedule(window: SendingWindow, name: str, start: int, end: int) -> CampaignSchedule:
    days = tuple(day for day in DAYS if day in window.days)
    return CampaignSchedule(time_zone=name, start=_clock(start), end=_clock(end), days=days)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
