"""Instantly: campaign e-mail. Look-ups; the write tools come with the send path."""

from __future__ import annotations

from pydantic import Field

from guardrails.model import OutreachView
from servers.common.contract import Args, Result, ToolSpec

SERVER = "instantly"


class LookUpAddress(Args):
    """Whom to look up."""

    email: str = Field(description="The person's e-mail address.")


class AddressStatus(Result):
    """What Instantly knows of the address."""

    outreach: OutreachView


class ListCampaigns(Args):
    """Which page."""

    cursor: str | None = Field(default=None, description="`next_cursor` of the previous page.")
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


LOOK_UP_ADDRESS = ToolSpec(
    "look_up_address",
    "Look up an address at Instantly",
    "Whether the address or its domain is on the block list, and its status and interest in any "
    "campaign.",
    LookUpAddress,
    AddressStatus,
    open_world=True,
)
LIST_CAMPAIGNS = ToolSpec(
    "list_campaigns",
    "List campaigns",
    "Campaigns of the workspace with their status.",
    ListCampaigns,
    CampaignPage,
    open_world=True,
)
TOOLS = (LOOK_UP_ADDRESS, LIST_CAMPAIGNS)
