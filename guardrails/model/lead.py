"""A person at a company, and the facts known about them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from guardrails.model.base import Frozen


class Consent(Frozen):
    """A recorded consent, as the row or the CRM states it."""

    basis: Literal["express", "implied"] = Field(description="What kind of consent it is.")
    recorded_at: datetime | None = Field(default=None, description="When it was given.")
    expires_at: datetime | None = Field(default=None, description="From when on it is none.")
    source: str | None = Field(default=None, description="Where it was given.")


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

    value: FactValue = Field(description="What is known; its type goes by the fact's name.")
    source: str = Field(
        description="csv, rb2b, clay, cache:<source>, dns, gdelt, google_news, ghl."
    )
    url: str | None = Field(default=None, description="Where a person can check it.")
    fetched_at: datetime = Field(description="When it was read there.")
    ttl_days: int = Field(ge=0, description="Days after which it is stale as evidence.")
    confidence: float = Field(ge=0, le=1, description="0 a guess, 1 certain.")


class Lead(Frozen):
    """A person at a company, normalised by the hunter. Absent means unknown."""

    lead_id: str = Field(description="L- and 20 hex digits: keyed hash of the dedupe key.")
    dedupe_key: str = Field(description="What makes two rows the same person (normalised e-mail).")
    row: int | None = Field(default=None, description="1-based data row in the source file.")
    source: Literal["csv", "rb2b", "api"] = Field(default="csv", description="How it came in.")
    email: str | None = Field(default=None, description="Address, normalised.")
    first_name: str | None = Field(default=None, description="First name.")
    last_name: str | None = Field(default=None, description="Last name.")
    title: str | None = Field(default=None, description="Job title as stated.")
    company: str | None = Field(default=None, description="Company's name as stated.")
    domain: str | None = Field(default=None, description="Registrable or given host, ASCII.")
    website: str | None = Field(default=None, description="Address of the company's site.")
    phone: str | None = Field(default=None, description="E.164.")
    linkedin_url: str | None = Field(default=None, description="The person's profile.")
    country: str | None = Field(default=None, description="ISO 3166-1 alpha-2.")
    state: str | None = Field(default=None, description="State or region.")
    city: str | None = Field(default=None, description="City.")
    timezone: str | None = Field(default=None, description="IANA name, only when stated.")
    industry: str | None = Field(default=None, description="Industry as stated.")
    employee_count: int | None = Field(default=None, ge=0, description="People employed.")
    technologies: tuple[str, ...] = Field(default=(), description="Software the company uses.")
    pages_seen: int | None = Field(
        default=None, ge=0, description="Pages of our site that a visitor saw."
    )
    captured_url: str | None = Field(default=None, description="Page a visitor was seen on.")
    seen_at: datetime | None = Field(default=None, description="When a visitor was seen.")
    # What the row itself says about contacting this person; honoured, never overridden.
    opted_out: bool = Field(default=False, description="Wants no contact.")
    customer: bool = Field(default=False, description="Is a customer already.")
    bounced: bool = Field(default=False, description="An e-mail to the address bounced.")
    do_not_contact: str | None = Field(default=None, description="The row's own words, if any.")
    last_contacted_at: datetime | None = Field(default=None, description="Last contact by us.")
    consent: Consent | None = Field(default=None, description="Consent on record, if any.")
