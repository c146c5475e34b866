"""What the writing tools need: of the sending platform, and of the send ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from guardrails.ledger import End, LedgerRow
from servers.instantly.contract_reads import (
    Analytics,
    Campaign,
    CampaignAnalytics,
    MailboxState,
)
from servers.instantly.contract_writes import Write

# A campaign in one of these sends nothing and does not begin to by itself.
QUIET = frozenset({"draft", "paused", "completed"})


@dataclass(frozen=True)
class CampaignRecord:
    """One campaign, and the vendor's whole document of it."""

    shown: Campaign
    document: Mapping[str, Any] = field(repr=False)

    @property
    def quiet(self) -> bool:
        """Whether it sends nothing; a status that we do not know is none of these."""
        return self.shown.status in QUIET


@dataclass(frozen=True)
class HeldLead:
    """One lead of a campaign. `variables` are outside text until they are compared with ours."""

    id: str
    email: str
    campaign_id: str | None
    status: str
    interest: str | None
    variables: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class ThreadEmail:
    """One e-mail of a thread: who wrote it, to which of our mailboxes (lower case)."""

    id: str
    sender: str
    mailbox: str


class Platform(Protocol):
    """The sending platform. All raise a `VendorError` when it cannot be asked."""

    async def campaign(self, campaign_id: str) -> CampaignRecord:
        """One campaign as it stands."""

    async def named_exactly(self, name: str) -> tuple[CampaignRecord, ...]:
        """Every campaign of exactly this name."""

    async def all_campaigns(self) -> tuple[CampaignRecord, ...]:
        """Every campaign, all pages."""

    async def counted(self, args: CampaignAnalytics) -> Analytics | None:
        """Its counts, if there are any."""

    async def leads_in(self, campaign_id: str, email: str) -> tuple[HeldLead, ...]:
        """The leads of this campaign with exactly this address."""

    async def all_leads(self, campaign_id: str) -> tuple[HeldLead, ...]:
        """Every lead of this campaign, all pages."""

    async def lead_page(
        self, campaign_id: str, cursor: str | None, limit: int
    ) -> tuple[tuple[HeldLead, ...], str | None]:
        """One page of this campaign's leads, and the next cursor."""

    async def blocked(self, value: str) -> str | None:
        """The id of the block-list entry that is exactly this address or domain."""

    async def email(self, email_id: str) -> ThreadEmail:
        """One e-mail of a thread."""

    async def workspace(self) -> str:
        """Name of the workspace that the key is for."""

    async def mailbox(self, email: str) -> MailboxState | None:
        """One mailbox; None when the workspace does not have it."""

    async def write(self, args: Write) -> str | None:
        """Do it, under its permit; the vendor's id. The ledger's row says what may have happened
        when this raises."""


class Book(Protocol):
    """The send ledger, as far as a server keeps it."""

    async def row(self, args: Write) -> LedgerRow | None:
        """The write's row. Raises Refused when its key stands for another write."""

    async def end(
        self, key: str, status: End, *, vendor_ref: str | None = None, note: str | None = None
    ) -> None:
        """What became of it, once that is known. Changes nothing that has ended."""
