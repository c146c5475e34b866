"""What Instantly knows of an address. Owns: which status speaks when an address has several.

Behaviour over a port (`Outreach`); no MCP, no HTTP. Refuses to answer from half a look-up (P6).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from guardrails.errors import BadInput
from guardrails.identity import domain_matches, normalise_email, registrable
from guardrails.model import OutreachView
from servers.instantly.contract import AddressStatus, LookUpAddress
from servers.instantly.contract_reads import CampaignPage, ListCampaigns

# The gravest first: an address that unsubscribed from one campaign did so for all of them.
STATUS_ORDER = ("unsubscribed", "bounced", "active", "paused", "completed", "skipped")
INTEREST_ORDER = (
    "not_interested", "wrong_person", "lost", "won", "meeting_completed", "meeting_booked",
    "interested", "no_show", "out_of_office",
)  # fmt: skip


@dataclass(frozen=True)
class LeadRecord:
    """One lead of a campaign or list: an address can have several."""

    status: str | None
    interest: str | None
    campaign_id: str | None


class Outreach(Protocol):
    """What we need of the sending platform. All raise a `VendorError` when it cannot be asked."""

    async def leads_with(self, email: str) -> tuple[LeadRecord, ...]:
        """Every lead with exactly this address."""

    async def block_entries(self, search: str) -> tuple[str, ...]:
        """Block-list values that the vendor finds for `search`; may name too many."""

    async def campaigns(self, cursor: str | None, limit: int) -> CampaignPage:
        """One page of campaigns."""


class InstantlyService:
    """The tools of the instantly server."""

    def __init__(self, outreach: Outreach) -> None:
        self._outreach = outreach

    async def look_up_address(self, args: LookUpAddress) -> AddressStatus:
        """Block list, and status and interest over all campaigns.

        Raises:
            BadInput: not an address.
            VendorError: Instantly could not be asked, or answered with something else.
        """
        email = normalise_email(args.email)
        domain = email.rpartition("@")[2]
        terms = (email, *_parents(domain))
        leads, entries = await asyncio.gather(
            self._outreach.leads_with(email),
            asyncio.gather(*(self._outreach.block_entries(term) for term in terms)),
        )
        values = [value for found in entries for value in found]
        return AddressStatus(
            outreach=OutreachView(
                blocked=any(_covers(value, email, domain) for value in values),
                lead_status=_gravest(STATUS_ORDER, [lead.status for lead in leads]),
                interest=_gravest(INTEREST_ORDER, [lead.interest for lead in leads]),
                campaign_ids=tuple(sorted({x.campaign_id for x in leads if x.campaign_id})),
            )
        )

    async def list_campaigns(self, args: ListCampaigns) -> CampaignPage:
        """One page of campaigns, as the vendor orders them."""
        return await self._outreach.campaigns(args.cursor, args.limit)


def _parents(domain: str) -> tuple[str, ...]:
    """`domain` and everything above it, up to what somebody registered."""
    labels, top = domain.split("."), registrable(domain).count(".") + 1
    return tuple(".".join(labels[i:]) for i in range(len(labels) - top + 1))


def _covers(entry: str, email: str, domain: str) -> bool:
    """Whether a block-list entry means this address: itself, its domain, or a domain above."""
    value = entry.strip().casefold().removeprefix("*.").removeprefix("@")
    if "@" in value:
        return value == email
    try:
        return domain_matches(domain, value)
    except BadInput:  # an entry that is no domain blocks nobody's domain
        return False


def _gravest(order: tuple[str, ...], found: list[str | None]) -> str | None:
    """The first of `order` that was found; a value we do not know comes before all of them."""
    present = {value for value in found if value}
    unknown = sorted(present - set(order))
    return unknown[0] if unknown else next((value for value in order if value in present), None)
