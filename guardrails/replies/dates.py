"""Until when somebody says to be away. Owns: finding a date in an automatic answer.

Refuses to come back too early: of several dates, and of two ways to read one, the later counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from guardrails.config.models.replies import AutoReplies
from guardrails.replies.phrases import folded

_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_NUMERIC = re.compile(r"\b(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})\b")
_WEEK = 7
_JUST_PAST = timedelta(days=60)  # `from March 9`, said on March 10, is no date of next year


class DateFinder:
    """Finds the date by the configured names of months and days."""

    def __init__(self, rules: AutoReplies) -> None:
        self._months = _numbered(rules.months, first=1)
        self._days = _numbered(rules.weekdays, first=0)
        self._longest = timedelta(days=rules.max_park_days)
        month = "|".join(sorted(map(re.escape, self._months), key=len, reverse=True))
        day = r"\b(\d{1,2})(?:st|nd|rd|th|er|e)?\.?"
        self._day_first = re.compile(rf"{day} (?:of |de )?({month})\b\.?,?(?: de)?(?: (\d{{4}}))?")
        self._month_first = re.compile(
            rf"\b({month})\b\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?"
        )
        names = "|".join(sorted(map(re.escape, self._days), key=len, reverse=True))
        self._weekday = re.compile(rf"\b({names})\b")

    def until(self, text: str, today: date) -> date | None:
        """The last day named after `today`, at most the configured days ahead; None: none is."""
        line = " ".join(folded(text).split())
        found = [day for day in self._dates(line, today) if day > today]
        if not found:
            found = [self._next(name, today) for name in self._weekday.findall(line)]
        return min(max(found), today + self._longest) if found else None

    def _dates(self, line: str, today: date) -> Iterator[date]:
        for year, month, day in _ISO.findall(line):
            yield from _valid(int(year), int(month), int(day))
        for first, _, second, year in _NUMERIC.findall(line):
            full = int(year) + (2000 if len(year) == 2 else 0)
            yield from _valid(full, int(second), int(first))
            yield from _valid(full, int(first), int(second))
        for day, month, year in self._day_first.findall(line):
            yield from _coming(year, self._months[month], int(day), today)
        for month, day, year in self._month_first.findall(line):
            yield from _coming(year, self._months[month], int(day), today)

    def _next(self, name: str, today: date) -> date:
        ahead = (self._days[name] - today.weekday()) % _WEEK
        return today + timedelta(days=ahead or _WEEK)


def _numbered(names: tuple[tuple[str, ...], ...], first: int) -> dict[str, int]:
    return {folded(name): number for number, of in enumerate(names, first) for name in of}


def _coming(year: str, month: int, day: int, today: date) -> Iterator[date]:
    """The stated year's; else the nearest one that is not long past."""
    if year:
        yield from _valid(int(year), month, day)
        return
    for candidate in (today.year - 1, today.year, today.year + 1):
        for found in _valid(candidate, month, day):
            if found >= today - _JUST_PAST:
                yield found
                return


def _valid(year: int, month: int, day: int) -> Iterator[date]:
    try:
        yield date(year, month, day)
    except ValueError:
        return
