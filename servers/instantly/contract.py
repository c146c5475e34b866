"""Instantly: campaign e-mail. Owns: the tools' names, and what each may do to the world."""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field

from guardrails.model import OutreachView
from servers.common.contract import Args, Result, ToolSpec
from servers.instantly.contract_reads import (
    Analytics,
    CampaignAnalytics,
    CampaignPage,
    CheckWorkspace,
    FindCampaign,
    FoundCampaign,
    LeadPage,
    ListCampaigns,
    ListLeads,
    ListRunning,
    Reconciled,
    ReconcileEnrol,
    RunningCampaigns,
    WorkspaceAccess,
)
from servers.instantly.contract_writes import (
    VENDOR,
    ActivateCampaign,
    BlockAddress,
    EnrolLead,
    EnsureCampaign,
    EnsuredCampaign,
    PauseAll,
    PauseCampaign,
    PausedAll,
    ReplyEmail,
    WriteResult,
)

SERVER = VENDOR
A = TypeVar("A", bound=Args)
R = TypeVar("R", bound=Result)


class LookUpAddress(Args):
    """Whom to look up."""

    email: str = Field(description="The person's e-mail address.")


class AddressStatus(Result):
    """What Instantly knows of the address."""

    outreach: OutreachView


def _read(
    name: str, title: str, text: str, args: type[A], result: type[R], outside: str
) -> ToolSpec[A, R]:
    return ToolSpec(name, title, text, args, result, open_world=True, outside=outside)


def _write(
    name: str, title: str, text: str, args: type[A], result: type[R], *, destructive: bool = False
) -> ToolSpec[A, R]:
    """Idempotent by its key: called again, it answers with what the first call did."""
    return ToolSpec(
        name, title, text, args, result, read_only=False, destructive=destructive, open_world=True
    )


LOOK_UP_ADDRESS = _read(
    "look_up_address",
    "Look up an address at Instantly",
    "Whether the address or its domain is on the block list, and its status and interest in any "
    "campaign. For deciding about one person; to see who is in a campaign use list_leads. Changes "
    "nothing.",
    LookUpAddress,
    AddressStatus,
    "status and interest words that this server does not know",
)
LIST_CAMPAIGNS = _read(
    "list_campaigns",
    "List campaigns",
    "One page of all campaigns of the workspace, whoever made them, with id and status. For one "
    "by its name use find_campaign; for those that send, list_running. Changes nothing.",
    ListCampaigns,
    CampaignPage,
    "campaigns' names",
)
FIND_CAMPAIGN = _read(
    "find_campaign",
    "Find a campaign by its exact name",
    "The one campaign of that name and in what it differs from what it shall be: text, sender, "
    "schedule, tracking, unsubscribe header. Refused when there are two of that name. Makes none: "
    "ensure_campaign does.",
    FindCampaign,
    FoundCampaign,
    "the campaign's name",
)
LIST_RUNNING = _read(
    "list_running",
    "List running campaigns",
    "Every campaign of the workspace that sends or may begin to by itself, complete and in one "
    "answer: what pause_all has to be given a permit for. Changes nothing.",
    ListRunning,
    RunningCampaigns,
    "campaigns' names",
)
CAMPAIGN_ANALYTICS = _read(
    "campaign_analytics",
    "Count what a campaign did",
    "Numbers of one campaign, in all or for some days: leads, e-mails, replies, bounces and "
    "unsubscribes. No opens and clicks: scanners forge them. Changes nothing.",
    CampaignAnalytics,
    Analytics,
    "the campaign's name",
)
LIST_LEADS = _read(
    "list_leads",
    "List a campaign's leads",
    "One page of the leads of a campaign, with status, interest and the send each came by. For one "
    "address use look_up_address. Changes nothing.",
    ListLeads,
    LeadPage,
    "addresses, and status and interest words that this server does not know",
)
RECONCILE_ENROL = ToolSpec(
    "reconcile_enrol",
    "Find out whether a lead was enrolled",
    "For an enrol_lead whose fate is unknown: read the campaign for exactly this lead and content. "
    "Records it as sent when it is there; enrols nobody. If it is inconclusive, ask again in a "
    "minute or leave it to a person.",
    ReconcileEnrol,
    Reconciled,
    read_only=False,  # it settles our own record
    open_world=True,
)
CHECK_ACCESS = _read(
    "check_access",
    "Try Instantly's key",
    "One harmless read for each kind of access that the swarm needs, and how the mailbox that it "
    "sends by stands: connected, warmed up, its daily limit. For setting up and finding faults.",
    CheckWorkspace,
    WorkspaceAccess,
    "what Instantly answered (`seen`)",
)
ENSURE_CAMPAIGN = _write(
    "ensure_campaign",
    "Find or create the swarm's campaign",
    "Find the campaign by its exact name, or create it as a draft: one step that renders the "
    "approved texts and nothing else. Refused with the differences when one of that name renders "
    "anything else. It sends nothing until it is activated.",
    EnsureCampaign,
    EnsuredCampaign,
)
ACTIVATE_CAMPAIGN = _write(
    "activate_campaign",
    "Start a campaign",
    "Start one of the swarm's campaigns; read back before it is called active. Refused when it "
    "renders anything but approved texts or holds leads that the swarm did not enrol.",
    ActivateCampaign,
    WriteResult,
    destructive=True,
)
PAUSE_CAMPAIGN = _write(
    "pause_campaign",
    "Hold a campaign",
    "Pause any campaign of the workspace; read back before it is called paused. For all that run "
    "use pause_all; to stop the swarm itself, a person uses its red button. It can be started "
    "again.",
    PauseCampaign,
    WriteResult,
)
PAUSE_ALL = _write(
    "pause_all",
    "Hold every running campaign",
    "Pause the named campaigns (list_running names them), then read all pages again. Says which "
    "could not be verified, campaigns that nobody named among them. They can be started again.",
    PauseAll,
    PausedAll,
)
ENROL_LEAD = _write(
    "enrol_lead",
    "Send one approved e-mail by a campaign",
    "Enrol one person with the approved subject and body; Instantly sends it within the campaign's "
    "hours, and it cannot be called back. `sent` only after the lead was read back in this "
    "campaign with this content. Refused when the address is in it with other content. If the "
    "answer is `unknown`, do not enrol again: call reconcile_enrol.",
    EnrolLead,
    WriteResult,
    destructive=True,
)
BLOCK_ADDRESS = _write(
    "block_address",
    "Block an address or a domain",
    "Put an address or a domain on the workspace's block list, unless it is on it: no campaign "
    "writes there any more. Taking it off is for a person, at Instantly.",
    BlockAddress,
    WriteResult,
)
REPLY_EMAIL = _write(
    "reply_email",
    "Answer an e-mail",
    "Answer one e-mail that came in, to who wrote it and nobody else. Refused when the e-mail is "
    "from somebody else than `to`. If the answer is `unknown`, a person looks at the thread. "
    "Guardrails gives no permit for it: nothing decides about answers yet, a person writes them.",
    ReplyEmail,
    WriteResult,
    destructive=True,
)
READS = (
    LOOK_UP_ADDRESS, LIST_CAMPAIGNS, FIND_CAMPAIGN, LIST_RUNNING, CAMPAIGN_ANALYTICS, LIST_LEADS,
    CHECK_ACCESS,
)  # fmt: skip
RECONCILES = (RECONCILE_ENROL,)  # it reads the vendor, and settles our own record
WRITES = (
    ENSURE_CAMPAIGN, ACTIVATE_CAMPAIGN, PAUSE_CAMPAIGN, PAUSE_ALL, ENROL_LEAD, BLOCK_ADDRESS,
    REPLY_EMAIL,
)  # fmt: skip
TOOLS = (*READS, *RECONCILES, *WRITES)
