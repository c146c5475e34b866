"""GoHighLevel over HTTP (LeadConnector API): looking up a lead. Owns: what is asked, page by page.

Two reads; those around a write stand in `vendor_records`, the writes in `vendor_writes`. The
search index is behind by seconds and its hits may omit DND, so each hit is read again by id.
`contains` matches too much: exactness is ours to check. Refuses answers it does not understand
(`VendorSchemaDrift`), and a hit that hides what it was found by: that is a renamed field, and a
clean view of it would let a lead pass (P6).
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from guardrails.errors import VendorUnavailable
from guardrails.identity import domain_matches
from servers.common.http import Answer, VendorClient
from servers.common.operations import Effect, Operation
from servers.ghl.service import Contact, CustomerMarks
from servers.ghl.vendor_contacts import FullContact, Hit, MarkedHit

SEARCH = Operation("search_contacts", "POST", "/contacts/search", Effect.READ)
GET = Operation("get_contact", "GET", "/contacts/{contact_id}", Effect.READ)
OPERATIONS = (SEARCH, GET)
PAGE = 100
MAX_PAGES = 20
MAX_SAME_ADDRESS = 20
MAX_VALUE = 75  # longer filter values are refused; the end of an address narrows enough


class _Named(BaseModel):
    """A contact of which only the id is looked at; the rest stays as it came."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(min_length=1)


class GhlCrm:
    """The `Crm` port over GoHighLevel, for one location.

    Args:
        api_version: value of the `Version` header, which GHL requires of every request.
    """

    def __init__(self, client: VendorClient, location_id: str, api_version: str) -> None:
        self._client = client
        self._location_id = location_id
        self._headers = {"Version": api_version}

    async def contacts_with(self, email: str) -> tuple[Contact, ...]:
        """Every contact with exactly this address, read by id.

        Raises:
            VendorUnavailable: also when a found contact cannot be read yet (the index lags).
            VendorRejected, VendorSchemaDrift: see `guardrails.errors`.
        """
        found: dict[str, dict[str, Any]] = {}
        for answer, raw in await self._search([_holding("email", email)]):
            hit = answer.parsed_as(Hit, raw)
            if hit.has(email):
                found[hit.id] = raw
            elif hit.hides_addresses():
                raise answer.drift("a hit does not show the address it was found by")
        if len(found) > MAX_SAME_ADDRESS:
            raise VendorUnavailable(
                f"ghl search_contacts: {len(found)} contacts share one address",
                vendor="ghl",
                operation=SEARCH.name,
                remedy="Merge the duplicates in the CRM; until then the lead cannot be cleared.",
            )
        return tuple(
            await asyncio.gather(
                *(self._read(contact_id, hit) for contact_id, hit in found.items())
            )
        )

    async def marked_contacts_at(
        self, domains: tuple[str, ...], marks: CustomerMarks
    ) -> tuple[Contact, ...]:
        """Contacts with an address or website at one of `domains` and one of the marks."""
        places = [
            {"field": field, "operator": "contains", "value": value[-MAX_VALUE:]}
            for domain in domains
            for field, value in (
                ("email", f"@{domain}"),
                ("email", f".{domain}"),
                ("website", domain),
            )
        ]
        signs = [
            *({"field": "tags", "operator": "contains", "value": tag} for tag in marks.tags),
            *({"field": "type", "operator": "eq", "value": kind} for kind in marks.kinds),
        ]
        groups = [{"group": "OR", "filters": places}, {"group": "OR", "filters": signs}]
        found: dict[str, Contact] = {}
        for answer, raw in await self._search(groups):
            hit = answer.parsed_as(MarkedHit, raw)
            at_place = any(domain_matches(h, d) for h in hit.hosts() for d in domains)
            if not at_place and hit.hides_hosts():
                raise answer.drift("a hit does not show the place it was found by")
            found[hit.id] = hit.contact()
        return tuple(found.values())

    async def _search(self, filters: list[dict[str, Any]]) -> list[tuple[Answer, Any]]:
        """Every hit as the vendor wrote it, with the answer that it stood in."""
        found: list[tuple[Answer, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            answer = await self._client.request(
                SEARCH,
                json={
                    "locationId": self._location_id,
                    "page": page,
                    "pageLimit": PAGE,
                    "filters": filters,
                },
                headers=self._headers,
            )
            hits = _hits(answer)
            found += ((answer, hit) for hit in hits)
            if len(hits) < PAGE:
                return found
        raise VendorUnavailable(
            f"ghl search_contacts: more than {PAGE * MAX_PAGES} contacts match",
            vendor="ghl",
            operation=SEARCH.name,
            remedy="Narrow the customer tag, or check that the search filters are honoured.",
        )

    async def _read(self, contact_id: str, hit: dict[str, Any]) -> Contact:
        """The contact by id; `hit` says what the single read leaves out."""
        answer = await self._client.request(
            GET, path_params={"contact_id": contact_id}, headers=self._headers
        )
        read = answer.parsed_as(_Named, answer.document().get("contact"), "contact")
        if read.id != contact_id:
            raise answer.drift("another contact than the one asked for")
        whole = {**hit, **(read.model_extra or {})}
        return answer.parsed_as(FullContact, whole, "contact").contact()


def _holding(field: str, value: str) -> dict[str, str]:
    if len(value) <= MAX_VALUE:
        return {"field": field, "operator": "eq", "value": value}
    return {"field": field, "operator": "contains", "value": value[-MAX_VALUE:]}


def _hits(answer: Answer) -> list[Any]:
    contacts = answer.document().get("contacts")
    if not isinstance(contacts, list):
        raise answer.drift("no list of contacts")
    return contacts
