"""Time as the swarm writes it. Owns: the clock's type and the one text form of an instant.

Refuses: naive datetimes. Everything takes a `Clock`; only a composition root passes `utc_now`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


def shifted(offset_s: float) -> Clock:
    """The wall clock, `offset_s` seconds ahead of what it says. For the sandbox alone."""
    if not offset_s:
        return utc_now
    ahead = timedelta(seconds=offset_s)
    return lambda: utc_now() + ahead


def iso(moment: datetime) -> str:
    """`2026-01-31T08:00:00.000000Z`: always UTC and microseconds, so that texts sort by time.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The instant in `text` (ISO 8601 with a zone or `Z`), in UTC.

    Raises:
        ValueError: not ISO 8601, without a time zone, or in UTC outside the calendar.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {text!r}")
    return in_utc(moment)


def in_utc(moment: datetime) -> datetime:
    """An aware `moment`, in UTC.

    Raises:
        ValueError: in UTC it is before the first year, or after the last.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"in UTC {moment} is outside the calendar") from error
