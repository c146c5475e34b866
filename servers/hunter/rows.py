"""One row to one lead. Owns: which cell fills which field, and why a row cannot be used.

Every row gets an answer: a lead, or reasons that name field, column and remedy. Unknown stays
unknown; nothing is filled in from somewhere else.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from guardrails import identity
from guardrails.clock import iso
from guardrails.model import Lead, Reason
from servers.hunter import addresses, numbers, places, rejects, text
from servers.hunter.columns import Columns
from servers.hunter.dedupe import NOTHING_SAID, Said
from servers.hunter.permission import Cell, Permission, read_permission
from servers.hunter.records import Record

T = TypeVar("T")


@dataclass(frozen=True)
class Rules:
    """What reading a row depends on besides the row."""

    salt: bytes
    sandbox: bool
    free_mail: Collection[str]
    bands: Sequence[numbers.Band]


@dataclass(frozen=True)
class Reading:
    """A row's outcome: `lead` or `reasons`. `keys` make it the same person as another row.

    `keys`, `emails` and `said` are known for a rejected row too, as far as it could be read.
    """

    lead: Lead | None
    reasons: tuple[Reason, ...] = ()
    keys: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    said: Said = NOTHING_SAID


class Cells:
    """The cells of one row by field."""

    def __init__(self, columns: Columns, record: Record) -> None:
        self._columns = columns
        self._cells = record.cells
        self._found: dict[str, list[Cell]] = {}

    def all(self, field: str) -> list[Cell]:
        """Header and value of every column of a field that holds anything, best first."""
        if field not in self._found:
            self._found[field] = [
                (self._columns.headers[index], self._cells[index])
                for index in self._columns.fields.get(field, ())
                if index < len(self._cells) and self._cells[index].strip()
            ]
        return self._found[field]

    def first(self, field: str) -> str | None:
        """The first known value of a field, cleaned."""
        return self.read(field, text.clean)

    def read(self, field: str, reader: Callable[[str], T | None]) -> T | None:
        """What `reader` makes of the first value of a field that is known and that it can read."""
        for _, cell in self.all(field):
            if text.known(cell) is not None and (value := reader(cell)) is not None:
                return value
        return None

    def by_field(self) -> dict[str, Sequence[Cell]]:
        """All fields with anything in them."""
        return {field: cells for field in self._columns.fields if (cells := self.all(field))}


def read_row(record: Record, row: int, columns: Columns, rules: Rules) -> Reading:
    """The lead in a row, or why there is none."""
    broken = rejects.broken(record, columns)
    if broken is not None:
        return Reading(None, (broken,))
    cells = Cells(columns, record)
    permission = read_permission(cells.by_field())
    said = _said(permission)
    email, problem = _email(cells, rules)
    linkedin = _linkedin(cells)
    known = email is not None or linkedin is not None
    lead = build_lead(cells, row, email, linkedin, permission, rules) if known else None
    problem = rejects.too_long(record, columns) or problem
    problem = problem or rejects.unusable(columns, permission, email, linkedin)
    domain = lead.domain if lead else None
    if not problem and domain and addresses.is_reserved(domain, sandbox=rules.sandbox):
        header = columns.header("website") or columns.header("domain")
        problem = rejects.reserved("domain", header)
    return Reading(
        None if problem else lead,
        (problem, *rejects.flags(permission, "rejected")) if problem else (),
        _keys(lead, rules) if lead else (),
        _emails(cells, rules) if said.opted_out else ((email,) if email else ()),
        said,
    )


def build_lead(
    cells: Cells,
    row: int | None,
    email: str | None,
    linkedin: str | None,
    permission: Permission,
    rules: Rules,
) -> Lead:
    """The lead, given that e-mail address or profile identify it."""
    key = identity.dedupe_key(email) if email else f"linkedin:{linkedin}"
    first, last = _names(cells)
    country = cells.read("country", places.read_country)
    return Lead(
        lead_id=identity.lead_id(rules.salt, key),
        dedupe_key=key,
        row=row,
        email=email,
        first_name=first,
        last_name=last,
        title=cells.first("title"),
        company=cells.first("company"),
        domain=_domain(cells, email, rules),
        website=cells.read("website", addresses.read_website),
        phone=cells.read("phone", lambda cell: places.read_phone(cell, country)),
        linkedin_url=linkedin,
        country=country,
        state=cells.first("state"),
        city=cells.first("city"),
        timezone=cells.read("timezone", places.read_timezone),
        industry=cells.first("industry"),
        employee_count=cells.read(
            "employees", lambda cell: numbers.read_employees(cell, rules.bands)
        ),
        technologies=_technologies(cells),
        opted_out=permission.opted_out,
        customer=permission.customer,
        bounced=permission.bounced,
        do_not_contact=permission.do_not_contact,
        last_contacted_at=permission.last_contacted_at,
        consent=permission.consent,
    )


def _email(cells: Cells, rules: Rules) -> tuple[str | None, Reason | None]:
    """The first usable address, or why the stated ones are not; both None when none is stated."""
    problem = None
    for header, cell in cells.all("email"):
        if text.known(cell) is None:
            continue
        address = addresses.read_email(cell, sandbox=rules.sandbox)
        if address.email is not None:
            return address.email, None
        problem = problem or rejects.bad_email(header, address.problem or "")
    return None, problem


def _emails(cells: Cells, rules: Rules) -> tuple[str, ...]:
    """Every usable address: whoever wants no contact wants it at none of them."""
    stated = (addresses.read_emails(cell, sandbox=rules.sandbox) for _, cell in cells.all("email"))
    return tuple(dict.fromkeys(itertools.chain.from_iterable(stated)))


def _said(permission: Permission) -> Said:
    contacted = permission.last_contacted_at
    return Said(
        permission.opted_out or permission.do_not_contact is not None,
        permission.customer,
        permission.bounced,
        iso(contacted) if contacted else "",
    )


def _linkedin(cells: Cells) -> str | None:
    stated = [*cells.all("linkedin"), *cells.all("website")]
    return next((url for _, cell in stated if (url := addresses.read_linkedin(cell))), None)


def _names(cells: Cells) -> tuple[str | None, str | None]:
    # Not `read`: a family name may be one of the words that elsewhere mean unknown.
    first = next((name for _, cell in cells.all("first_name") if (name := text.name(cell))), None)
    last = next((name for _, cell in cells.all("last_name") if (name := text.name(cell))), None)
    if first and last:
        return first, last
    whole_first, whole_last = text.split_name(cells.first("full_name") or "")
    return first or whole_first, last or whole_last


def _domain(cells: Cells, email: str | None, rules: Rules) -> str | None:
    for field in ("domain", "website"):
        domain = cells.read(field, addresses.read_domain)
        if domain is not None and not addresses.is_listed(domain, rules.free_mail):
            return domain
    return addresses.email_domain(email, rules.free_mail) if email else None


def _technologies(cells: Cells) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for _, cell in cells.all("technologies"):
        for part in re.split(r"[,;|\n]", cell):
            name = text.known(part)
            if name is not None and len(name) <= 100:
                names.setdefault(name.casefold(), name)
    return tuple(names.values())[:200]


def _keys(lead: Lead, rules: Rules) -> tuple[str, ...]:
    keys = [f"key:{lead.dedupe_key}"]
    if lead.linkedin_url:
        keys.append(f"key:linkedin:{lead.linkedin_url}")
    whole = text.folded(f"{lead.first_name or ''}{lead.last_name or ''}")
    if lead.domain and lead.first_name and lead.last_name and whole:
        # A name of two labels is its own registrable part; the look-up keeps what it is asked.
        site = identity.registrable(lead.domain) if lead.domain.count(".") > 1 else lead.domain
        if not addresses.is_listed(site, rules.free_mail):
            keys.append(f"name:{whole}@{site}")
    return tuple(dict.fromkeys(keys))
