"""Time zones of places. Owns: which zones a country, or a state of one, can mean.

Countries come from the time-zone database's own table. A country counts when its zones differ by
an hour at most (then all of them must suit); of the larger ones the state decides. Refuses to
guess: an unknown place has no zones.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_SPREAD = timedelta(hours=1)
_AHEAD = timedelta(days=10)
# One official time, whatever the database lists beside it.
_OFFICIAL = {"CN": ("Asia/Shanghai",)}

_E, _C, _M, _P = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
_SYD, _BNE, _ADL = ("Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide")
_STATES: dict[str, dict[tuple[str, ...], str]] = {
    "US": {
        (_E,): "CT Connecticut|DE Delaware|DC District of Columbia|DC Washington DC|GA Georgia"
        "|ME Maine|MD Maryland|MA Massachusetts|NH New Hampshire|NJ New Jersey|NY New York"
        "|NC North Carolina|OH Ohio|PA Pennsylvania|RI Rhode Island|SC South Carolina|VT Vermont"
        "|VA Virginia|WV West Virginia|MI Michigan",
        (_E, _C): "FL Florida|IN Indiana|KY Kentucky|TN Tennessee",
        (_C,): "AL Alabama|AR Arkansas|IL Illinois|IA Iowa|LA Louisiana|MN Minnesota"
        "|MS Mississippi|MO Missouri|OK Oklahoma|WI Wisconsin",
        (_C, _M): "KS Kansas|NE Nebraska|ND North Dakota|SD South Dakota|TX Texas",
        (_M,): "CO Colorado|MT Montana|NM New Mexico|UT Utah|WY Wyoming",
        (_M, _P): "ID Idaho|OR Oregon",
        ("America/Phoenix",): "AZ Arizona",
        (_P,): "CA California|NV Nevada|WA Washington|WA Washington State",
        ("America/Anchorage",): "AK Alaska",
        ("Pacific/Honolulu",): "HI Hawaii",
    },
    "CA": {
        ("America/St_Johns",): "NL Newfoundland and Labrador",
        ("America/Halifax",): "NS Nova Scotia|NB New Brunswick|PE Prince Edward Island",
        ("America/Toronto",): "QC Quebec|QC Québec",
        ("America/Toronto", "America/Winnipeg"): "ON Ontario",
        ("America/Winnipeg",): "MB Manitoba",
        ("America/Regina",): "SK Saskatchewan",
        ("America/Edmonton",): "AB Alberta|NT Northwest Territories",
        ("America/Vancouver", "America/Edmonton"): "BC British Columbia",
        ("America/Whitehorse",): "YT Yukon",
    },
    "AU": {
        (_SYD,): "NSW New South Wales|ACT Australian Capital Territory|TAS Tasmania",
        ("Australia/Melbourne",): "VIC Victoria",
        (_BNE,): "QLD Queensland",
        (_ADL,): "SA South Australia",
        ("Australia/Darwin",): "NT Northern Territory",
        ("Australia/Perth",): "WA Western Australia",
    },
    "BR": {
        ("America/Sao_Paulo",): "SP São Paulo|SP Sao Paulo|RJ Rio de Janeiro|MG Minas Gerais"
        "|ES Espírito Santo|ES Espirito Santo|PR Paraná|PR Parana|SC Santa Catarina"
        "|RS Rio Grande do Sul|GO Goiás|GO Goias|DF Distrito Federal|BA Bahia",
        ("America/Manaus",): "AM Amazonas",
    },
    "MX": {
        ("America/Mexico_City",): "CMX Ciudad de México|CDMX Mexico City|JAL Jalisco"
        "|NLE Nuevo León|NLE Nuevo Leon|PUE Puebla|QUE Querétaro|GUA Guanajuato",
    },
}


def zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name; None when there is no such name."""
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zones_of(country: str, state: str | None, now: datetime) -> tuple[ZoneInfo, ...] | None:
    """Every zone the place can mean; None when they lie too far apart or it is unknown."""
    code = country.strip().upper()
    if state is not None and (names := _by_state().get((code, state.strip().casefold()))):
        return tuple(ZoneInfo(name) for name in names)
    found = tuple(ZoneInfo(name) for name in _OFFICIAL.get(code) or _by_country().get(code, ()))
    by_offset: dict[tuple[timedelta, ...], ZoneInfo] = {}
    for place in found:
        # One zone stands for all that agree now and over the days in which a time is sought.
        moments = (now, now + _AHEAD)
        offsets = tuple(m.astimezone(place).utcoffset() or timedelta() for m in moments)
        by_offset.setdefault(offsets, place)
    todays = [offsets[0] for offsets in by_offset]
    if not todays or max(todays) - min(todays) > _SPREAD:
        return None
    return tuple(by_offset.values())


@lru_cache(maxsize=1)
def _by_country() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    text = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            code, _place, name = line.split("\t")[:3]
            table[code] = (*table.get(code, ()), name)
    return table


@lru_cache(maxsize=1)
def _by_state() -> dict[tuple[str, str], tuple[str, ...]]:
    table = {}
    for country, groups in _STATES.items():
        for names, states in groups.items():
            for entry in states.split("|"):
                code, _, full = entry.partition(" ")
                table[country, code.casefold()] = names
                table[country, full.casefold()] = names
                table[country, f"{country}-{code}".casefold()] = names
    return table
