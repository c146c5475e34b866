"""What the CRM knows of a lead. Owns: what counts as DND, bounced, customer and last contact.

Behaviour over a port (`Crm`); no MCP, no HTTP. Refuses to answer from half a look-up: an error of
the CRM is an error of the tool, never an empty view, since an empty view lets a lead pass (P6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from guardrails.identity import domain_matches, normalise_domain, normalise_email, registrable
from guardrails.model import CrmView
from servers.ghl.contract import CrmLookUp, LookUpLead


@dataclass(frozen=True)
class Contact:
    """A contact as the CRM holds it. `hosts` are the domains of its addresses and website."""

    id: str
    emails: tuple[str, ...]
    hosts: tuple[str, ...]
    tags: tuple[str, ...]
    kind: str | None
    dnd_email: bool
    last_contacted_at: datetime | None


class Crm(Protocol):
    """What we need of a CRM. Both raise a `VendorError` when it cannot be asked."""

    async def contacts_with(self, email: str) -> tuple[Contact, ...]:
        """Every contact that has exactly this address, each read in full."""

    async def marked_contacts_at(
        self, domains: tuple[str, ...], marks: CustomerMarks
    ) -> tuple[Contact, ...]:
        """Contacts at these domains that carry one of the marks; may name too many."""


@dataclass(frozen=True)
class CustomerMarks:
    """What makes a contact a customer: one of these tags, or one of these contact types."""

    tags: tuple[str, ...]
    kinds: tuple[str, ...]

    def on(self, contact: Contact) -> bool:
        """Whether `contact` carries one, in any letter case."""
        tags = {tag.strip().casefold() for tag in contact.tags}
        kind = (contact.kind or "").strip().casefold()
        return kind in _folded(self.kinds) or not tags.isdisjoint(_folded(self.tags))


@dataclass(frozen=True)
class CrmRules:
    """How this CRM is used: its customers' marks, its bounce tags, and domains of nobody."""

    customer: CustomerMarks
    bounce_tags: tuple[str, ...]
    free_mail: frozenset[str]


class GhlService:
    """The tools of the ghl server."""

    def __init__(self, crm: Crm, rules: CrmRules) -> None:
        self._crm = crm
        self._rules = rules
        self._bounce_tags = _folded(rules.bounce_tags)

    async def look_up_lead(self, args: LookUpLead) -> CrmLookUp:
        """What the CRM knows of the person and of the company's domains.

        Raises:
            BadInput: the address or a domain is none.
            VendorError: the CRM could not be asked, or answered with something else.
        """
        domains = self._company_domains(args.domains)
        contacts, customer_domain = await asyncio.gather(
            self._contacts(args.email), self._customer_domain(domains)
        )
        own = any(self._rules.customer.on(contact) for contact in contacts)
        contacted = [c.last_contacted_at for c in contacts if c.last_contacted_at is not None]
        return CrmLookUp(
            crm=CrmView(
                contact_id=contacts[0].id if contacts else None,
                dnd_email=any(contact.dnd_email for contact in contacts),
                tags=tuple(sorted({tag for contact in contacts for tag in contact.tags})),
                is_customer=own or customer_domain is not None,
                customer_domain=customer_domain,
                last_contacted_at=max(contacted, default=None),
                bounced=any(self._bounced(contact) for contact in contacts),
            )
        )

    async def _contacts(self, email: str | None) -> tuple[Contact, ...]:
        return () if email is None else await self._crm.contacts_with(normalise_email(email))

    async def _customer_domain(self, domains: tuple[str, ...]) -> str | None:
        """The first of `domains` at which a customer is: exact or below, never a look-alike."""
        if not domains:
            return None
        marks = self._rules.customer
        found = await self._crm.marked_contacts_at(domains, marks)
        customers = [contact for contact in found if marks.on(contact)]
        for domain in domains:
            hosts = (host for contact in customers for host in contact.hosts)
            if any(domain_matches(host, domain) for host in hosts):
                return domain
        return None

    def _company_domains(self, given: tuple[str, ...]) -> tuple[str, ...]:
        """The given domains and what they are registered under, without free mail and doubles."""
        names = [normalise_domain(domain) for domain in given]
        both = dict.fromkeys([*names, *(registrable(name) for name in names)])
        return tuple(name for name in both if registrable(name) not in self._rules.free_mail)

    def _bounced(self, contact: Contact) -> bool:
        return not self._bounce_tags.isdisjoint(tag.strip().casefold() for tag in contact.tags)


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.strip().casefold() for word in words)
