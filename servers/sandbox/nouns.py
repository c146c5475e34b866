"""What the sandbox's world consists of. Owns: the invented company, person, headline, contact.

Plain frozen values. Times are days before now, so that the world never grows old; each twin turns
them into its vendor's dates.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a company sits. Country and time zone always belong together."""

    country: str  # ISO 3166-1 alpha-2
    country_name: str
    state: str
    city: str
    time_zone: str  # IANA


@dataclass(frozen=True, slots=True)
class Company:
    """An invented company. None means that nobody knows, not that there is none."""

    domain: str
    name: str
    industry: str
    employees: int | None
    place: Place
    technologies: tuple[str, ...] = ()
    open_roles: tuple[str, ...] = ()
    last_funding: str | None = None
    parent_domain: str | None = None
    ownership: str = "private"
    revenue_usd: int | None = None
    ai_initiative: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """An invented person at a company."""

    email: str
    first_name: str
    last_name: str
    title: str | None
    domain: str
    linkedin_slug: str
    email_status: str = "valid"
    rb2b: str = "none"  # none, partial (no head count) or full: what RB2B knows


@dataclass(frozen=True, slots=True)
class Headline:
    """One article about one company."""

    company: str
    title: str
    publisher: str
    host: str
    days_ago: int


@dataclass(frozen=True, slots=True)
class CrmContact:
    """A contact that the CRM holds already."""

    email: str
    first_name: str
    last_name: str
    company: str
    domain: str
    time_zone: str
    country: str
    tags: tuple[str, ...] = ()
    kind: str = "lead"  # lead or customer
    dnd: bool = False
    dnd_email: bool = False
    contacted_days_ago: int | None = None
    bounced: bool = False
    won: bool = False  # has a won opportunity
    added_days_ago: int = 400


@dataclass(frozen=True, slots=True)
class OutreachLead:
    """A lead that Instantly holds already, in campaign number `campaign`."""

    email: str
    first_name: str
    last_name: str
    company: str
    domain: str
    campaign: int
    status: int  # Instantly's Lead.status
    interest: int | None = None  # Instantly's lt_interest_status
    contacted_days_ago: int | None = None
