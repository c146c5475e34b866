"""An RB2B visitor as a lead. Owns: RB2B's payload, read defensively.

The payload is unsigned and may come from anybody: it is data about a visit, never a permission.
RB2B sends time stamps that are not ISO 8601, counts as numbers or text, and rows that name a
company and nobody in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from guardrails.model import Reason
from servers.hunter import addresses, numbers, text
from servers.hunter.columns import Columns
from servers.hunter.contract import Visitor
from servers.hunter.permission import read_permission
from servers.hunter.records import Record
from servers.hunter.rejects import flags
from servers.hunter.rows import Cells, Rules, build_lead

_FIELDS = {
    "business email": "email",
    "first name": "first_name",
    "last name": "last_name",
    "title": "title",
    "company name": "company",
    "website": "website",
    "linkedin url": "linkedin",
    "industry": "industry",
    "employee count": "employees",
    "city": "city",
    "state": "state",
    "tags": "tags",
    "seen at": "seen_at",
    "captured url": "captured_url",
}
_MAX_CELL = 2_000
PayloadValue = str | int | float | bool | list[str] | None


def read_payload(payload: Mapping[str, PayloadValue], rules: Rules) -> Visitor:
    """The visitor's lead, or the reasons why there is none. Never raises on content."""
    cells = _cells(payload)
    email, problem = _email(cells, rules)
    linkedin = cells.read("linkedin", addresses.read_linkedin)
    key = _dedupe_key(cells, email, linkedin)
    permission = read_permission(cells.by_field())
    if email is None and linkedin is None:
        reasons = (problem or _nobody(cells), *flags(permission, "rejected"))
        return Visitor(lead=None, reasons=reasons, dedupe_key=key)
    lead = build_lead(cells, None, email, linkedin, permission, rules)
    if lead.domain and addresses.is_reserved(lead.domain, sandbox=rules.sandbox):
        reserved = Reason(
            code="reserved_domain",
            text="The visitor's company has a reserved domain.",
            field="domain",
            remedy="Invented visitors work only with --sandbox.",
        )
        return Visitor(lead=None, reasons=(reserved,), dedupe_key=key)
    page = _page(cells)
    seen = cells.read("seen_at", numbers.read_moment)
    update = {
        "source": "rb2b",
        "captured_url": page,
        "seen_at": seen,
        "pages_seen": 1 if page else None,  # one payload is one page that was seen
    }
    return Visitor(
        lead=lead.model_copy(update=update),
        reasons=(problem,) if problem else (),
        dedupe_key=key,
    )


def _cells(payload: Mapping[str, PayloadValue]) -> Cells:
    headers: list[str] = []
    values: list[str] = []
    fields: dict[str, tuple[int, ...]] = {}
    for header, value in payload.items():
        field = _FIELDS.get(text.clean(header).replace("_", " ").casefold())
        if field is None or field in fields or value is None:
            continue
        fields[field] = (len(headers),)
        headers.append(header)
        values.append(_as_text(value)[:_MAX_CELL])
    return Cells(Columns(tuple(headers), fields, "rb2b"), Record(tuple(values)))


def _as_text(value: PayloadValue) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _email(cells: Cells, rules: Rules) -> tuple[str | None, Reason | None]:
    stated = cells.first("email")
    if stated is None:
        return None, None
    address = addresses.read_email(stated, sandbox=rules.sandbox)
    if address.email is not None:
        return address.email, None
    return None, Reason(
        code="invalid_email",
        text=f"The visitor's Business Email cannot be used: {address.problem}.",
        field="email",
        remedy="None: RB2B stated it so.",
    )


def _nobody(cells: Cells) -> Reason:
    company = cells.first("company") or cells.first("website")
    if company:
        return Reason(
            code="company_only",
            text="RB2B recognised the company and no person in it.",
            field="email",
            remedy="Find a person at this company by other means.",
        )
    return Reason(
        code="no_identity",
        text="The payload has neither a LinkedIn profile nor an e-mail address.",
        field="email",
        remedy="Check that the payload is RB2B's, with its title-case keys.",
    )


def _page(cells: Cells) -> str | None:
    url = cells.first("captured_url")
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None


def _dedupe_key(cells: Cells, email: str | None, linkedin: str | None) -> str:
    """RB2B sends no event id: who, which page, and when make a visit one."""
    who = linkedin or email or cells.read("website", addresses.read_domain)
    who = who or (cells.first("company") or "nobody").casefold()
    seen = cells.read("seen_at", numbers.read_moment)
    when = seen.isoformat() if seen else cells.first("seen_at") or ""
    return f"{who}|{cells.first('captured_url') or ''}|{when}"
