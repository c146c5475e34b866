"""Instantly: what can be read about campaigns, leads and writes whose fate is unknown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servers.common.contract import Args, Result
from servers.common.contract_access import Access
from servers.instantly.contract_writes import (
    Address,
    Body,
    CampaignId,
    CampaignSpec,
    Mailbox,
    Subject,
)


class ListCampaigns(Args):
    """Which page."""

    cursor: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the previous page."
    )
    limit: int = Field(default=50, ge=1, le=100, description="Campaigns per page.")


class Campaign(Result):
    """One campaign."""

    id: str
    name: str
    status: str = Field(
        description="draft, active, paused, completed, running_subsequences, "
        "accounts_unhealthy, bounce_protect, suspended, or unknown(<number>)."
    )


class CampaignPage(Result):
    """One page of campaigns."""

    campaigns: tuple[Campaign, ...]
    next_cursor: str | None


class FindCampaign(Args):
    """The campaign as it shall be."""

    campaign: CampaignSpec = Field(description="Name, time zone, hours and mailbox it shall have.")


class FoundCampaign(Result):
    """The one campaign of that name."""

    campaign: Campaign | None = Field(description="Null when there is none of that name.")
    differs: tuple[str, ...] = Field(
        description="In what it is not as it shall be; it must not be used while this is not empty."
    )


class ListRunning(Args):
    """All campaigns that send, or may begin to by themselves."""


class RunningCampaigns(Result):
    """Every page of them."""

    campaigns: tuple[Campaign, ...]


class CampaignAnalytics(Args):
    """Which campaign, and which days."""

    campaign_id: CampaignId
    since: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="UTC day.")
    until: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="UTC day.")


class Analytics(Result):
    """What Instantly counts. Opens and clicks are left out: they are evidence of nothing."""

    campaign: Campaign
    leads: int
    contacted: int
    sent: int
    replied: int = Field(description="People, automatic replies left out.")
    bounced: int
    unsubscribed: int
    completed: int


class ListLeads(Args):
    """Which page of which campaign."""

    campaign_id: CampaignId
    cursor: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the previous page."
    )
    limit: int = Field(default=50, ge=1, le=100, description="Leads per page.")


class CampaignLead(Result):
    """One lead of a campaign. The address is outside text."""

    id: str
    email: str
    status: str
    interest: str | None
    key: str | None = Field(description="The send it came by; null if the swarm did not enrol it.")


class LeadPage(Result):
    """One page of leads."""

    leads: tuple[CampaignLead, ...]
    next_cursor: str | None


class ReconcileEnrol(Args):
    """The enrolment whose fate is unknown, with the very arguments of enrol_lead."""

    key: str = Field(min_length=1, max_length=120, description="Its key in the ledger.")
    campaign_id: CampaignId
    email: Address = Field(description="Who was to be enrolled.")
    subject: Subject = Field(description="Subject that was to go out.")
    body: Body = Field(description="Plain text that was to go out.")
    sender: Mailbox = Field(description="Mailbox that was to send it.")


class Reconciled(Result):
    """What the vendor shows."""

    verdict: Literal["done", "not_done", "inconclusive"] = Field(
        description="done: the lead is in the campaign with this content, and it is recorded as "
        "sent. not_done: it is not, long enough after the request. inconclusive: too early, or the "
        "vendor shows something else under this key; nothing was recorded."
    )
    vendor_ref: str | None = Field(
        default=None, description="Instantly's id of the lead, when it is there."
    )
    detail: str = Field(default="", description="More, for a person.")


class CheckWorkspace(Args):
    """What the swarm sends by."""

    mailbox: Mailbox = Field(description="The mailbox that e-mails go out from.")


class MailboxState(Result):
    """One mailbox as Instantly knows it."""

    status: str = Field(description="active, paused, maintenance, connection_error ...")
    warmup: str = Field(description="active, paused, banned, spam_folder_unknown, suspended.")
    warmup_score: float | None = Field(description="0 to 100; null when Instantly does not say.")
    daily_limit: int | None
    setup_pending: bool


class WorkspaceAccess(Access):
    """What the key opens, and how the mailbox stands."""

    mailbox: MailboxState | None = Field(description="null: Instantly does not have it.")
