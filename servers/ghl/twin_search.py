"""GHL's contact search. Owns: the body that the specification leaves empty.

Filters, groups, sort, the two ways of paging, and what the live search does that a reader of
single contacts would not expect: a new contact is not found for some seconds, and results lack
`dndSettings`. Lengths and the field list follow the vendor's search documentation; the sentences
of a 400 other than `Invalid field …` are inferred.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from servers.ghl.twin_records import Record, milliseconds

OPERATORS = ("eq", "not_eq", "contains", "not_contains", "exists", "not_exists", "range")
FIELDS = frozenset(
    [
        "id",
        "email",
        "phone",
        "firstNameLowerCase",
        "lastNameLowerCase",
        "companyName",
        "businessName",
        "website",
        "tags",
        "type",
        "source",
        "country",
        "city",
        "state",
        "timezone",
        "dnd",
        "dateAdded",
        "dateUpdated",
        "dateOfBirth",
        "assignedTo",
        "validEmail",
        "postalCode",
        "address",
    ]
)
NESTED = re.compile(r"(?:dndSettings\.(\w+)\.status|customFields\.(\w+))\Z")
MAX_VALUE = 75
MAX_PAGE = 500
MAX_DEPTH = 10_000
_SPECIAL = re.compile(r"[^\w\s@.+-]")
_HIDDEN = ("dndSettings", "inboundDndSettings")

Test = Callable[[Record], bool]


class BadSearch(Exception):
    """A search the vendor refuses: status and sentences."""

    def __init__(self, status: int, *sentences: str) -> None:
        super().__init__(*sentences)
        self.status = status
        self.sentences = sentences


def check_limits(body: dict[str, Any]) -> None:
    """Refuse lengths and combinations outside the published limits."""
    limit, page = body["pageLimit"], body.get("page", 1)
    if not 1 <= limit <= MAX_PAGE:
        raise BadSearch(422, f"pageLimit must not be greater than {MAX_PAGE}")
    if len(body.get("query") or "") > MAX_VALUE:
        raise BadSearch(422, f"query must be shorter than or equal to {MAX_VALUE} characters")
    if "page" in body and body.get("searchAfter"):
        raise BadSearch(400, "page and searchAfter cannot be used together")
    if page < 1 or page * limit > MAX_DEPTH:
        raise BadSearch(400, f"Use searchAfter to read past {MAX_DEPTH} records")


def search(records: Sequence[Record], body: dict[str, Any]) -> tuple[list[Record], int]:
    """One page of matching contacts, without DND settings, and the number of all matches."""
    filters = body.get("filters") or []
    tests = [_compile(item) for item in filters]  # all of them first: one may be refused
    found = list(records)
    for _, test in sorted(zip(map(_cost, filters), tests, strict=True), key=lambda pair: pair[0]):
        found = [record for record in found if test(record)]
    if query := (body.get("query") or "").strip().lower():
        found = [record for record in found if query in _searchable(record)]
    _sort(found, body.get("sort") or [])
    limit = int(body["pageLimit"])
    start = (int(body.get("page", 1)) - 1) * limit
    if after := body.get("searchAfter"):
        ids = [record["id"] for record in found]
        start = ids.index(after[-1]) + 1 if after[-1] in ids else len(ids)
    return [_shown(record) for record in found[start : start + limit]], len(found)


def _cost(item: dict[str, Any]) -> int:
    """How slow a filter is, so that the quick ones go first: substrings in long fields are."""
    if "group" in item:
        return sum(_cost(inner) for inner in item.get("filters") or [])
    substring = item.get("operator") in ("contains", "not_contains")
    return 10 if substring and item.get("field") != "tags" else 1


def _shown(record: Record) -> Record:
    kept = {key: value for key, value in record.items() if key not in _HIDDEN}
    kept["firstNameLowerCase"] = record["firstName"].lower()
    kept["lastNameLowerCase"] = record["lastName"].lower()
    kept["searchAfter"] = [milliseconds(record["dateAdded"]), record["id"]]
    return kept


def _searchable(record: Record) -> str:
    names = ("firstName", "lastName", "email", "phone", "companyName", "website")
    return " ".join(str(record.get(name) or "") for name in names).lower()


def _sort(found: list[Record], order: list[dict[str, Any]]) -> None:
    found.sort(key=lambda record: (record["dateAdded"], record["id"]), reverse=True)
    for item in reversed(order):
        field = str(item.get("field"))
        _known(field)
        _sort_by(found, _reader(field), descending=item.get("direction") == "desc")


def _sort_by(found: list[Record], read: Callable[[Record], Any], *, descending: bool) -> None:
    found.sort(key=lambda record: str(read(record) or ""), reverse=descending)


def _known(field: str) -> None:
    if field not in FIELDS and not NESTED.match(field):
        raise BadSearch(400, f"Invalid field {field}")


def _compile(item: Any) -> Test:
    if not isinstance(item, dict):
        raise BadSearch(422, "each value in nested property filters must be an object")
    if "group" in item:
        tests = [_compile(inner) for inner in item.get("filters") or []]
        if item["group"] not in ("AND", "OR"):
            raise BadSearch(400, f"Invalid group {item['group']}")
        return _every(tests) if item["group"] == "AND" else _either(tests)
    field, operator, value = str(item.get("field")), item.get("operator"), item.get("value")
    _known(field)
    if operator not in OPERATORS:
        raise BadSearch(400, f"Invalid operator {operator}")
    _check_value(field, operator, value)
    return _comparison(field, operator, value)


def _every(tests: list[Test]) -> Test:
    return lambda record: all(test(record) for test in tests)


def _either(tests: list[Test]) -> Test:
    return lambda record: any(test(record) for test in tests)


def _check_value(field: str, operator: str, value: Any) -> None:
    texts = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]
    if any(len(text) > MAX_VALUE for text in texts):
        raise BadSearch(400, f"Value of {field} exceeds {MAX_VALUE} characters")
    if operator in ("contains", "not_contains") and any(_SPECIAL.search(text) for text in texts):
        raise BadSearch(400, f"Value of {field} contains special characters")
    if operator == "range" and not isinstance(value, dict):
        raise BadSearch(400, f"Value of {field} must be an object")


def _reader(field: str) -> Callable[[Record], Any]:
    if nested := NESTED.match(field):
        channel, custom = nested.groups()
        if channel:
            return lambda record: record["dndSettings"].get(channel, {}).get("status")
        return lambda record: next(
            (held["value"] for held in record["customFields"] if held["id"] == custom), None
        )
    if field in ("firstNameLowerCase", "lastNameLowerCase"):
        own = field.removesuffix("LowerCase")
        return lambda record: str(record[own]).lower()
    return lambda record: record.get(field)


def _comparison(field: str, operator: str, value: Any) -> Test:
    """The test of one filter, with all that does not depend on the record done once."""
    read = _reader(field)
    if operator in ("exists", "not_exists"):
        present = operator == "exists"
        return lambda record: (read(record) not in (None, "", [])) == present
    if operator == "range":
        return lambda record: (have := read(record)) is not None and _in_range(have, value)
    wanted = [_fold(item) for item in (value if isinstance(value, list) else [value])]
    yes = operator in ("eq", "contains")
    match: Callable[[Any, list[Any]], bool] = _any_equal
    if operator in ("contains", "not_contains"):
        match, wanted = _any_inside, [str(item) for item in wanted]
    return lambda record: match(read(record), wanted) == yes


def _any_equal(have: Any, wanted: list[Any]) -> bool:
    if isinstance(have, list):
        return any(_fold(item) in wanted for item in have)
    return _fold(have) in wanted


def _any_inside(have: Any, parts: list[Any]) -> bool:
    if have is None:
        return False
    text = "\n".join(map(str, have)) if isinstance(have, list) else str(have)
    text = text.lower()
    for part in parts:  # noqa: SIM110  (the sandbox's hottest line: any() costs twice as much)
        if part in text:
            return True
    return False


def _fold(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _in_range(have: Any, want: dict[str, Any]) -> bool:
    at = _instant(have)
    checks = {
        "gte": lambda bound: at >= bound,
        "gt": lambda bound: at > bound,
        "lte": lambda bound: at <= bound,
        "lt": lambda bound: at < bound,
    }
    return all(checks[name](_instant(bound)) for name, bound in want.items() if name in checks)


def _instant(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp() * 1000
    except ValueError as error:
        raise BadSearch(400, f"Invalid date {value}") from error
