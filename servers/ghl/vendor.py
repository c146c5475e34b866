"""GoHighLevel over HTTP (LeadConnector API). Owns: its paths and shapes.

Two reads are declared and nothing else can leave. The search index is behind by seconds and its
hits omit DND, so each hit is read again by id. `contains` matches too much: exactness is ours to
check. Refuses answers it does not understand (`VendorSchemaDrift`).
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from guardrails.errors import BadInput, VendorUnavailable
from guardrails.identity import normalise_domain, normalise_email
from servers.common.http import Answer, VendorClient
from servers.common.operations import Effect, Operation
from servers.ghl.service import Contact, CustomerMarks

SEARCH = Operation("search_contacts", "POST", "/contacts/search", Effect.READ)
GET = Operation("get_contact", "GET", "/contacts/{contact_id}", Effect.READ)
OPERATIONS = (SEARCH, GET)
PAGE = 100
MAX_PAGES = 20
MAX_SAME_ADDRESS = 20
MAX_VALUE = 75  # longer filter values are refused; the end of an address narrows enough
_OFF = frozenset({"inactive", ""})  # anything else counts as on: active, permanent, and the unknown


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _DndSetting(_Wire):
    status: str | None = None

    @property
    def on(self) -> bool:
        return (self.status or "").strip().casefold() not in _OFF


class _DndSettings(_Wire):
    email: _DndSetting | None = Field(default=None, alias="Email")


class _InboundDnd(_Wire):
    everything: _DndSetting | None = Field(default=None, alias="all")


class _Address(_Wire):
    email: str | None = None


class _Contact(_Wire):
    id: str = Field(min_length=1)
    email: str | None = None
    additional_emails: tuple[_Address | str, ...] | None = Field(
        default=None, alias="additionalEmails"
    )
    website: str | None = None
    tags: tuple[str, ...] | None = None
    kind: str | None = Field(default=None, alias="type")
    dnd: bool | None = None
    dnd_settings: _DndSettings | None = Field(default=None, alias="dndSettings")
    inbound_dnd: _InboundDnd | None = Field(default=None, alias="inboundDndSettings")
    last_activity: datetime | None = Field(default=None, alias="lastActivity")

    @field_validator("last_activity", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    def addresses(self) -> tuple[str, ...]:
        more = (a if isinstance(a, str) else a.email for a in self.additional_emails or ())
        return tuple(address for address in (self.email, *more) if address)

    def blocks_email(self) -> bool:
        by_channel = self.dnd_settings and self.dnd_settings.email and self.dnd_settings.email.on
        inbound = (
            self.inbound_dnd and self.inbound_dnd.everything and self.inbound_dnd.everything.on
        )
        return bool(self.dnd or by_channel or inbound)


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
        hits = await self._search([_holding("email", email)])
        ids = [hit.id for hit in hits if email in _normalised(hit.addresses())]
        if len(ids) > MAX_SAME_ADDRESS:
            raise VendorUnavailable(
                f"ghl search_contacts: {len(ids)} contacts share one address",
                vendor="ghl",
                operation=SEARCH.name,
                remedy="Merge the duplicates in the CRM; until then the lead cannot be cleared.",
            )
        return tuple(await asyncio.gather(*(self._read(contact_id) for contact_id in ids)))

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
        hits = await self._search(
            [{"group": "OR", "filters": places}, {"group": "OR", "filters": signs}]
        )
        return tuple(_contact(hit) for hit in hits)

    async def _search(self, filters: list[dict[str, Any]]) -> list[_Contact]:
        found: dict[str, _Contact] = {}
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
            found.update((hit.id, hit) for hit in hits)
            if len(hits) < PAGE:
                return list(found.values())
        raise VendorUnavailable(
            f"ghl search_contacts: more than {PAGE * MAX_PAGES} contacts match",
            vendor="ghl",
            operation=SEARCH.name,
            remedy="Narrow the customer tag, or check that the search filters are honoured.",
        )

    async def _read(self, contact_id: str) -> Contact:
        answer = await self._client.request(
            GET, path_params={"contact_id": contact_id}, headers=self._headers
        )
        contact = answer.parsed_as(_Contact, answer.document().get("contact"), "contact")
        if contact.id != contact_id:
            raise answer.drift("another contact than the one asked for")
        return _contact(contact)


def _holding(field: str, value: str) -> dict[str, str]:
    if len(value) <= MAX_VALUE:
        return {"field": field, "operator": "eq", "value": value}
    return {"field": field, "operator": "contains", "value": value[-MAX_VALUE:]}


def _hits(answer: Answer) -> list[_Contact]:
    contacts = answer.document().get("contacts")
    if not isinstance(contacts, list):
        raise answer.drift("no list of contacts")
    return [answer.parsed_as(_Contact, contact) for contact in contacts]


def _contact(wire: _Contact) -> Contact:
    emails = _normalised(wire.addresses())
    last = wire.last_activity
    return Contact(
        id=wire.id,
        emails=emails,
        hosts=_hosts(emails, wire.website),
        tags=wire.tags or (),
        kind=wire.kind,
        dnd_email=wire.blocks_email(),
        last_contacted_at=last if last is None or last.tzinfo else last.replace(tzinfo=UTC),
    )


def _normalised(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses in normal form; what is no address is left out."""
    normal: list[str] = []
    for address in addresses:
        try:
            normal.append(normalise_email(address))
        except BadInput:
            continue
    return tuple(normal)


def _hosts(emails: tuple[str, ...], website: str | None) -> tuple[str, ...]:
    hosts = [email.rpartition("@")[2] for email in emails]
    if website:
        address = website if "//" in website else f"//{website}"
        with contextlib.suppress(BadInput, ValueError):
            hosts.append(normalise_domain(urlsplit(address.strip()).hostname or ""))
    return tuple(dict.fromkeys(hosts))
