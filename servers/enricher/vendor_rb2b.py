"""RB2B's identity API over HTTP. Owns: the two look-ups that give a business profile.

`/hem_to_business_profile` takes a plain address as `email` (the vendor's own client does so);
`/linkedin_to_business_profile` takes a profile's slug. Both cost credits; 404 means no match, and
as nothing says that it is free, it counts as paid. The money is held before a look-up leaves
(`servers.common.http_spend`), so that one whose process dies is counted all the same.
Refuses to read more into a profile than it states: bands of head count or revenue give no fact.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from guardrails.errors import VendorError, VendorRejected
from guardrails.model import FactName, Lead
from servers.common.http import Answer, VendorClient
from servers.common.http_spend import charge_of
from servers.common.operations import Effect, Operation
from servers.enricher.facts import FactMaker
from servers.enricher.sources import SourceAnswer, SourceName, not_sent

PRICE = "lookup"
BY_EMAIL, BY_LINKEDIN = (
    Operation(name, "POST", f"/{name}", Effect.PAID_READ, price=PRICE)
    for name in ("hem_to_business_profile", "linkedin_to_business_profile")
)
CREDITS = Operation("get_credits", "GET", "/credits", Effect.READ)
OPERATIONS = (BY_EMAIL, BY_LINKEDIN, CREDITS)
_GIVES: frozenset[FactName] = frozenset(
    {"title", "country", "city", "industry", "employee_count", "linkedin_url"}
)


class _Company(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    industry: str | None = None


class _Profile(BaseModel):
    """Both answers' fields; what one of them lacks is None."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    title: str | None = None
    country: str | None = None
    city: str | None = None
    current_industry: str | None = None
    company_employee_count: str | int | None = None
    linkedinurl: str | None = None
    linkedin_url: str | None = None
    company: _Company | None = None

    def values(self) -> dict[FactName, Any]:
        """The profile as fact values. Ranges (`51-200`) are no numbers and give no fact."""
        industry = self.current_industry or (self.company.industry if self.company else None)
        return {
            "title": self.title,
            "country": self.country,
            "city": self.city,
            "industry": industry,
            "employee_count": self.company_employee_count,
            "linkedin_url": self.linkedinurl or self.linkedin_url,
        }


class Rb2b:
    """The `Source` that asks RB2B. `client` is None when there is no key."""

    name: SourceName = "rb2b"

    def __init__(self, client: VendorClient | None, price_micros: int, facts: FactMaker) -> None:
        self._client = client
        self._price = price_micros
        self._facts = facts

    @property
    def gives(self) -> frozenset[FactName]:
        """The facts a profile may state."""
        return _GIVES

    @property
    def keyless(self) -> str | None:
        """Why there is no key to try, or None."""
        return "RB2B_API_KEY is not set" if self._client is None else None

    @property
    def unusable(self) -> str | None:
        """Why RB2B cannot be asked, or None."""
        return self.keyless

    async def who_am_i(self) -> str:
        """That the key is good. Costs nothing. Raises a VendorError.

        How the vendor spells the balance is not documented, so any answer that is an object will
        do; a number is told where it says one.
        """
        assert self._client is not None
        document = (await self._client.request(CREDITS)).document()
        counts = [value for value in document.values() if type(value) in (int, float)]
        return f"{counts[0]:,} credits left" if len(counts) == 1 else "the account answered"

    async def look_up(self, lead: Lead, subject: str) -> SourceAnswer:
        """The business profile of the lead's address or, without one, LinkedIn profile.

        Raises:
            Refused: the mode lock said no; nothing was paid.
        """
        slug = linkedin_slug(lead.linkedin_url)
        if self._client is None:
            return SourceAnswer("skipped", self.unusable or "")
        if not lead.email and not slug:
            return SourceAnswer("skipped", "neither an address nor a LinkedIn profile to ask for")
        operation = BY_EMAIL if lead.email else BY_LINKEDIN
        body = {"email": lead.email} if lead.email else {"linkedin_slug": slug}
        try:
            answer = await self._client.request(operation, json=body)
            profile = _profile(answer)
        except VendorError as error:
            return self._without_profile(error)
        facts = self._facts.make("rb2b", profile.values()) if profile else {}
        found = f"{len(facts)} facts" if facts else "an empty profile"
        return SourceAnswer("ok" if facts else "no_match", found, facts, cost_micros=self._price)

    def _without_profile(self, error: VendorError) -> SourceAnswer:
        if isinstance(error, VendorRejected) and error.status == 404:
            return SourceAnswer("no_match", "RB2B knows no such person", cost_micros=self._price)
        if isinstance(error, VendorRejected) and error.status == 402:
            return SourceAnswer("out_of_credits", "RB2B's credits are exhausted")
        may_be_paid = charge_of(self.name, error) != "not_charged"
        cost = self._price if may_be_paid else 0
        return not_sent(error) or SourceAnswer("failed", error.message, cost_micros=cost)


def _profile(answer: Answer) -> _Profile | None:
    result = answer.document().get("result")
    return None if result is None else answer.parsed_as(_Profile, result)


def linkedin_slug(url: str | None) -> str | None:
    """`ana-b` of `https://www.linkedin.com/in/ana-b/`, or None."""
    parts = [part for part in urlsplit(url or "").path.split("/") if part]
    return parts[1] if len(parts) >= 2 and parts[0] == "in" else None
