"""A person at a company, and the facts known about them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from guardrails.model.base import Frozen


class Consent(Frozen):
    """A recorded consent, as the row or the CRM states it."""

    basis: Literal["express", "implied"]
    recorded_at: datetime | None = None
    expires_at: datetime | None = None
    source: str | None = None


FactName = Literal[
    "email",
    "first_name",
    "last_name",
    "title",
    "company",
    "domain",
    "industry",  # one of the industries of config/icp.json, or the source's own word
    "employee_count",  # int
    "revenue_usd",  # int
    "country",  # ISO 3166-1 alpha-2
    "timezone",  # IANA name
    "city",
    "linkedin_url",
    "technologies",  # tuple of names
    "hiring",  # tuple of open roles
    "funding",  # e.g. "Series A, 12M USD"
    "parent_domain",  # domain of the parent company
    "ownership",  # private | public | government | military | education | nonprofit
    "email_status",  # valid | catch_all | invalid | unknown
    "mx",  # bool: the domain accepts mail
    "pages_seen",  # int: pages of our site seen by this visitor
    "ai_initiative",  # what the company says about its AI plans
]
FactValue = str | int | float | bool | tuple[str, ...]


class Fact(Frozen):
    """One known thing and where it comes from. Unknown things have no Fact."""

    value: FactValue
    source: str = Field(
        description="csv, rb2b, clay, cache:<source>, dns, gdelt, google_news, ghl."
    )
    url: str | None = Field(default=None, description="Where a person can check it.")
    fetched_at: datetime
    ttl_days: int = Field(ge=0, description="Days after which it is stale as evidence.")
    confidence: float = Field(ge=0, le=1)


class Lead(Frozen):
    """A person at a company, normalised by the hunter. Absent means unknown."""

    lead_id: str = Field(description="L- and 20 hex digits: keyed hash of the dedupe key.")
    dedupe_key: str = Field(description="What makes two rows the same person (normalised e-mail).")
    row: int | None = Field(default=None, description="1-based data row in the source file.")
    source: Literal["csv", "rb2b", "api"] = "csv"
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    company: str | None = None
    domain: str | None = Field(default=None, description="Registrable or given host, ASCII.")
    website: str | None = None
    phone: str | None = Field(default=None, description="E.164.")
    linkedin_url: str | None = None
    country: str | None = Field(default=None, description="ISO 3166-1 alpha-2.")
    state: str | None = None
    city: str | None = None
    timezone: str | None = Field(default=None, description="IANA name, only when stated.")
    industry: str | None = None
    employee_count: int | None = Field(default=None, ge=0)
    technologies: tuple[str, ...] = ()
    pages_seen: int | None = Field(default=None, ge=0)
    captured_url: str | None = None
    seen_at: datetime | None = None
    # What the row itself says about contacting this person; honoured, never overridden.
    opted_out: bool = False
    customer: bool = False
    bounced: bool = False
    do_not_contact: str | None = Field(default=None, description="The row's own words, if any.")
    last_contacted_at: datetime | None = None
    consent: Consent | None = None
