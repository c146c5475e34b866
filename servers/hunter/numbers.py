"""Head counts and dates as people write them. Owns: reading them without guessing.

A range of employees (`51-200`) gives its lower bound, and only when the whole range lies in one
size band of the ICP (or wholly outside all of them on the same side); otherwise the size is
unknown and left to enrichment. A date that could be two days is taken as the one that keeps more
distance: the later one, but of the end of a consent the earlier one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from servers.hunter.text import clean

Band = tuple[int, int | None]  # lowest and highest count, both inclusive; None is open
Which = Callable[[Iterable[datetime]], datetime]
_NUMBER = r"(\d{1,3}(?:[,.'\u2019 ]\d{3})+|\d+(?:\.\d+)?)\s*([km]?)"
_SINGLE = re.compile(rf"\A[~≈]?\s*{_NUMBER}\Z", re.IGNORECASE)
_RANGE = re.compile(rf"\A{_NUMBER}\s*(?:-|–|—|\bto\b|\.\.)\s*{_NUMBER}\Z", re.IGNORECASE)
_OPEN = re.compile(rf"\A(?:>\s*|over\s+|more than\s+)?{_NUMBER}\s*\+?\Z", re.IGNORECASE)
_WORDS = re.compile(r"\b(?:employees?|people|staff|ppl|fte|ftes|mitarbeiter)\b", re.IGNORECASE)
_LARGEST = 10_000_000
_YEARS = (1990, 2100)
_SPREADSHEET_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_FORMATS = (
    "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%b %d %Y", "%B %d %Y", "%d %b %Y",
    "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%Y%m%d",
)  # fmt: skip
_SLASHED = re.compile(r"\A(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})\Z")
_TIME = re.compile(r"[\s,T]+(\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:[ap]\.?m\.?)?.*)\Z", re.I)
_RB2B_TAIL = re.compile(r"\A(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}).*\Z", re.DOTALL)


def read_employees(cell: str, bands: Sequence[Band]) -> int | None:
    """A head count, or None when it is unknown or ambiguous (see the module's first lines)."""
    text = clean(_WORDS.sub(" ", clean(cell)))
    if text.casefold() in ("self-employed", "self employed", "myself only"):
        return 1
    if match := _SINGLE.match(text):
        return _count(match.group(1), match.group(2))
    if match := _RANGE.match(text):
        low = _count(match.group(1), match.group(2) or _shared_unit(match))
        return _lower_bound(low, _count(match.group(3), match.group(4)), bands)
    if match := _OPEN.match(text):
        low = _count(match.group(1), match.group(2))
        # "1000+" includes 1000 itself; "over 1000" does not.
        above = text[0] in ">oOmM"
        return _lower_bound(None if low is None else low + above, _LARGEST, bands)
    return None


def read_moment(cell: str, which: Which = max) -> datetime | None:
    """A date or time in UTC (without a zone it is taken as UTC); None when it cannot be read.

    Seconds or milliseconds since 1970 and a spreadsheet's day numbers are understood too. `which`
    decides between the two days that a date such as 03/04/2026 can mean.
    """
    moment = _moment(clean(cell), which)
    return moment if moment is not None and _YEARS[0] <= moment.year <= _YEARS[1] else None


def _moment(text: str, which: Which) -> datetime | None:
    if re.fullmatch(r"\d{10}|\d{13}", text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    if re.fullmatch(r"[3-5]\d{4}(?:\.\d{1,10})?", text):
        return _SPREADSHEET_EPOCH + timedelta(days=int(text[:5]))
    for attempt in (text, text.replace(" UTC", "Z").replace("Z", "+00:00")):
        try:
            return _utc(datetime.fromisoformat(attempt))
        except (ValueError, OverflowError):
            continue
    if match := _RB2B_TAIL.match(text):
        return _parsed(match.group(1), ("%Y-%m-%dT%H:%M:%S",))
    return _day(_TIME.sub("", text).replace(",", " "), which)


def _day(text: str, which: Which) -> datetime | None:
    text = " ".join(re.sub(r"\b(\d{1,2})(?:st|nd|rd|th)\b", r"\1", text).split())
    if match := _SLASHED.match(text):
        first, second, year = match.groups()
        orders = (f"{first}/{second}/{year}", f"{second}/{first}/{year}")
        form = ("%d/%m/%Y",) if len(year) == 4 else ("%d/%m/%y",)
        days = [day for order in orders if (day := _parsed(order, form)) is not None]
        return which(days) if days else None
    return _parsed(text, _FORMATS)


def _parsed(text: str, formats: Sequence[str]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _shared_unit(match: re.Match[str]) -> str:
    # "1-5k" means 1,000 to 5,000; "500-1k" does not mean 500,000.
    low, high = _count(match.group(1), ""), _count(match.group(3), "")
    return str(match.group(4)) if low is not None and high is not None and low < high else ""


def _count(digits: str, unit: str) -> int | None:
    grouped = re.fullmatch(r"\d{1,3}(?:[,.'\u2019 ]\d{3})+", digits)
    number = float(re.sub(r"\D", "", digits) if grouped else digits)
    number *= {"k": 1e3, "m": 1e6}.get(unit.lower(), 1)
    return int(number) if math.isfinite(number) and number <= _LARGEST else None


def _lower_bound(low: int | None, high: int | None, bands: Sequence[Band]) -> int | None:
    if low is None or high is None or low > high:
        return None
    return low if _place(low, bands) == _place(high, bands) else None


def _place(count: int, bands: Sequence[Band]) -> tuple[str, int]:
    """The band a count lies in, or on which side of which band it lies."""
    for index, (least, most) in enumerate(bands):
        if count >= least and (most is None or count <= most):
            return "in", index
    return "below", sum(1 for least, _ in bands if count >= least)
