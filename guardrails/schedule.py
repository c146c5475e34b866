"""When an e-mail may go out. Owns: the recipient's local sending window.

The zone is what the lead or an enriched fact states, else what the country (and state) can mean.
Where a place can mean two zones, the moment suits both. Refuses to guess: no zone, no time.
Spacing and caps are the brakes' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from guardrails.config.models import SendingWindow
from guardrails.model import Fact, FactName, Lead
from guardrails.zones import zone, zones_of

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ROUNDS = 16  # two zones agree within days, or their windows never meet

Zones = tuple[ZoneInfo, ...]


def window_zones(lead: Lead, facts: Mapping[FactName, Fact], now: datetime) -> Zones | None:
    """The zones in all of which it must be a good time; None when unknown."""
    for stated in (lead.timezone, _text(facts, "timezone")):
        if stated and (known := zone(stated)) is not None:
            return (known,)
    country = lead.country or _text(facts, "country")
    return zones_of(country, lead.state, now) if country else None


def next_send(now: datetime, zones: Zones, window: SendingWindow) -> datetime | None:
    """The first moment from `now` on (UTC) that lies in the window in every zone.

    None when there is none: no day is allowed, or the zones' windows never meet.
    """
    moment = now.astimezone(UTC)
    for _ in range(_ROUNDS):
        latest = moment
        for place in zones:
            following = _next_in(latest, place, window)
            if following is None:
                return None
            latest = following
        if latest == moment:
            return moment
        moment = latest
    return None


def _next_in(moment: datetime, place: ZoneInfo, window: SendingWindow) -> datetime | None:
    local = moment.astimezone(place)
    for ahead in range(9):
        day = local.date() + timedelta(days=ahead)
        if _DAYS[day.weekday()] not in window.days:
            continue
        # Through UTC: a wall time that a DST change skips or repeats becomes one real instant.
        opens = datetime.combine(day, window.start, place).astimezone(UTC)
        closes = datetime.combine(day, window.end, place).astimezone(UTC)
        if moment < closes:
            return max(moment, opens)
    return None


def _text(facts: Mapping[FactName, Fact], name: FactName) -> str | None:
    found = facts.get(name)
    return found.value if found is not None and isinstance(found.value, str) else None
