"""RB2B's pull API as it answers over HTTP. Owns: who is behind an address, hash, slug or IP.

True to the vendor: `Api-Key`, verb paths by POST, `{error}` with a slug, 404 for "nobody", credits
spent only on a match and on every repeat, an `x-request-id`, people in the United States only.
What RB2B's own tools call `email_to_*` are the `hem_to_*` paths with an `email` key: there is no
path `/email_to_…`, and asking for one gives the same 404 as "nobody". Shapes are those that
published clients read: `{result: {…}}` for one profile, counts as strings, e-mail fields as MD5.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Denial, Window
from servers.sandbox.nouns import Company, Person
from servers.sandbox.wire import Call, Endpoint, Refused, Site, Twin

KEY = "sandbox-rb2b-key-00000001"
_FORMAT = re.compile(r"[A-Za-z0-9_-]{20,}\Z")
_BANDS = ((10, "1-10"), (50, "11-50"), (200, "51-200"), (500, "201-500"), (1000, "501-1000"))
_MILLION = 1_000_000

Lookup = Callable[[Person], dict[str, Any] | None]


class Rb2bTwin(Twin):
    """One partner account."""

    vendor = "rb2b"
    denials: Mapping[Denial, tuple[int, str]] = {"revoked": (401, "invalid_api_key")}

    def __init__(self, site: Site) -> None:
        self.window = Window(50, 1)
        super().__init__(site)

    def reset(self) -> None:
        self.by_md5 = {
            _md5(person.email): person.email
            for company in self.site.world.generated
            for person in (self.site.world.address_at(company, 0),)
        }

    def endpoints(self) -> Sequence[Endpoint]:
        by_person: tuple[tuple[str, int, Lookup], ...] = (
            ("business_profile", 2, self.profile),
            ("best_linkedin", 1, self.best_linkedin),
            ("linkedin", 1, self.linkedin_slug),
        )
        found = [Endpoint("GET", "/credits", "read", self.credits)]
        for path, cost, look_up in by_person:
            handler = self._by_address(look_up, cost)
            found.append(Endpoint("POST", f"/hem_to_{path}", "paid_read", handler))
        by_slug: tuple[tuple[str, int, Lookup], ...] = (
            ("business_profile", 4, self.linkedin_profile),
            ("best_personal_email", 1, lambda person: None),
            ("personal_email", 1, lambda person: None),
            ("mobile_phone", 3, lambda person: None),
            ("hashed_emails", 1, self.hashes),
        )
        for path, cost, look_up in by_slug:
            handler = self._by_slug(look_up, cost)
            found.append(Endpoint("POST", f"/linkedin_to_{path}", "paid_read", handler))
        for path in ("ip_to_company", "ip_to_hem", "ip_to_maid"):
            found.append(Endpoint("POST", f"/{path}", "paid_read", self.by_ip))
        return found

    # -- before the request is looked at ------------------------------------------------------

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        key = call.header(b"api-key")
        if not key:
            raise self.refuse(call, 401, "missing_api_key")
        if not _FORMAT.match(key):
            raise self.refuse(call, 401, "invalid_api_key_format")
        if key != KEY:
            raise self.refuse(call, 401, "invalid_api_key")
        over = self.window.left(endpoint.path, self.now()) < 0
        if over and self.site.behaviour.limits(self.vendor):
            raise self.refuse(call, 429, "rate_limit_exceeded")

    def failure(self, call: Call, status: int, message: str) -> Reply:
        slug = "not_found" if status == 404 else message.lower().replace(" ", "_")
        return reply(status, {"error": slug})

    def decorate(self, call: Call, answer: Reply) -> None:
        answer.headers["x-request-id"] = self.trace(call)

    def refuse(self, call: Call, status: int, error: str) -> Refused:
        """An error to raise; `error` is the vendor's slug."""
        return Refused(self.failure(call, status, error))

    # -- look-ups -----------------------------------------------------------------------------

    def credits(self, call: Call) -> Reply:
        return reply(200, {"credits_remaining": self.site.behaviour.rb2b_balance})

    def by_ip(self, call: Call) -> Reply:
        self._input(call, "ip_address")
        raise self.refuse(call, 404, "not_found")  # no visitor's address is known here

    def _by_address(self, look_up: Lookup, cost: int) -> Callable[[Call], Reply]:
        def handler(call: Call) -> Reply:
            name, value = self._input(call, "email", "md5")
            email = self.by_md5.get(value.lower(), "") if name == "md5" else value
            return self._charge(call, self.site.world.person(email), look_up, cost)

        return handler

    def _by_slug(self, look_up: Lookup, cost: int) -> Callable[[Call], Reply]:
        def handler(call: Call) -> Reply:
            _, slug = self._input(call, "linkedin_slug")
            return self._charge(call, self.site.world.person_of_slug(slug), look_up, cost)

        return handler

    def _input(self, call: Call, *names: str) -> tuple[str, str]:
        try:
            body = call.json()
        except ValueError:
            raise self.refuse(call, 400, "invalid_json") from None
        for name in names:
            if isinstance(body, dict) and isinstance(body.get(name), str) and body[name]:
                return name, body[name]
        raise self.refuse(call, 400, f"missing_{names[0]}")

    def _charge(self, call: Call, person: Person | None, look_up: Lookup, cost: int) -> Reply:
        found = look_up(person) if person is not None and person.rb2b != "none" else None
        if found is None:
            raise self.refuse(call, 404, "not_found")
        if self.site.behaviour.rb2b_balance < cost:
            raise self.refuse(call, 402, "insufficient_credits")
        self.site.behaviour.rb2b_balance -= cost
        return reply(200, found)

    def best_linkedin(self, person: Person) -> dict[str, Any]:
        return {"result": {"linkedin_url": _linkedin(person)}}

    def linkedin_slug(self, person: Person) -> dict[str, Any]:
        return {"result": {"linkedin_slug": person.linkedin_slug}}

    def hashes(self, person: Person) -> dict[str, Any]:
        result = {
            "linkedin_slug": person.linkedin_slug,
            "business_md5_array": [_md5(person.email)],
            "business_sha256_array": [hashlib.sha256(person.email.encode()).hexdigest()],
            "personal_md5_array": [],
            "personal_sha256_array": [],
        }
        return {"result": result}

    def profile(self, person: Person) -> dict[str, Any] | None:
        """By address; a partial profile lacks head count and industry."""
        company = self.site.world.company(person.domain)
        if company is None:
            return None
        full = person.rb2b == "full"
        result: dict[str, Any] = {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "title": person.title,
            "seniority": _seniority(person.title),
            "linkedinurl": _linkedin(person),
            "link_email": _md5(person.email),
            "work_email_confirmed": _md5(person.email),
            "personal_emails": [],
            "current_company": company.name,
            "current_company_url": f"https://www.{company.domain}",
            "current_company_linkedinurl": None,
            "current_industry": company.industry if full else None,
            "functional_area": None,
            "country": company.place.country_name,
            "company_employee_count": str(company.employees)
            if full and company.employees
            else None,
            "company_employee_range": _band(company) if full else None,
            "company_revenue_range": _revenue(company) if full else None,
            "md5": _md5(person.email),
        }
        return {"result": result}

    def linkedin_profile(self, person: Person) -> dict[str, Any] | None:
        """By LinkedIn slug; carries the company but no head count."""
        company = self.site.world.company(person.domain)
        if company is None:
            return None
        result: dict[str, Any] = {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "full_name": f"{person.first_name} {person.last_name}",
            "headline": f"{person.title} at {company.name}",
            "title": person.title,
            "seniority": _seniority(person.title),
            "country": company.place.country_name,
            "current_industry": company.industry,
            "functional_area": [],
            "linkedin_url": _linkedin(person),
            "business_email": person.email,
            "personal_email": None,
            "company": {
                "name": company.name,
                "industry": company.industry,
                "website_url": f"https://www.{company.domain}",
                "linkedin_url": None,
            },
        }
        return {"result": result}


def _md5(email: str) -> str:
    """RB2B's own hash of an address; an identifier, not a protection."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def _linkedin(person: Person) -> str:
    return f"https://www.linkedin.com/in/{person.linkedin_slug}"


def _seniority(title: str | None) -> str | None:
    if title is None:
        return None
    words = (("Chief", "Cxo"), ("Founder", "Founder"), ("Partner", "Partner"), ("VP", "Vp"),
             ("Director", "Director"), ("Head", "Head"), ("Manager", "Manager"))  # fmt: skip
    return next((level for word, level in words if word in title), "Entry")


def _band(company: Company) -> str | None:
    if company.employees is None:
        return None
    return next((name for top, name in _BANDS if company.employees <= top), "1001+")


def _revenue(company: Company) -> str | None:
    if company.revenue_usd is None:
        return None
    millions = company.revenue_usd // _MILLION
    bands = ((1, "Under 1M"), (10, "1M-10M"), (50, "10M-50M"), (100, "50M-100M"))
    return next((name for top, name in bands if millions < top), "100M+")
