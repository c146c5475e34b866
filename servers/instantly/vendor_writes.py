"""Instantly's campaigns, leads and threads over HTTP. Owns: what is read before and after a write.

Refuses answers it does not understand. It decides nothing: what a campaign must be like, and
whether a lead is ours, is the services' business.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from guardrails.errors import VendorRejected
from guardrails.identity import normalise_email
from servers.common.http import VendorClient
from servers.instantly import forms
from servers.instantly import vendor_operations as ops
from servers.instantly.contract_reads import (
    Analytics,
    Campaign,
    CampaignAnalytics,
    MailboxState,
)
from servers.instantly.contract_writes import ActivateCampaign, PauseCampaign, Write
from servers.instantly.ports import CampaignRecord, HeldLead, ThreadEmail
from servers.instantly.vendor_accounts import AccountForm, WorkspaceForm
from servers.instantly.vendor_pages import (
    CAMPAIGN_STATUS,
    INTEREST,
    LEAD_STATUS,
    Wire,
    every,
    named,
    page_of,
)

_CAMPAIGN_PAGES = 50
_LEAD_PAGES = 1000
_NOT_FOUND = 404


class _Campaign(Wire):
    id: str
    name: str
    status: int

    def record(self, document: dict[str, Any]) -> CampaignRecord:
        shown = Campaign(id=self.id, name=self.name, status=named(CAMPAIGN_STATUS, self.status))
        return CampaignRecord(shown, document)


class _Listed(_Campaign):
    model_config = ConfigDict(extra="allow")

    def listed(self) -> CampaignRecord:
        return self.record(self.model_dump())


class _Lead(Wire):
    id: str
    email: str = Field(min_length=1)
    campaign: str | None = None
    status: int
    interest: int | None = Field(default=None, alias="lt_interest_status")
    payload: dict[str, Any] | None = None

    def held(self) -> HeldLead:
        return HeldLead(
            id=self.id,
            email=self.email,
            campaign_id=self.campaign,
            status=named(LEAD_STATUS, self.status),
            interest=None if self.interest is None else named(INTEREST, self.interest),
            variables=self.payload or {},
        )


class _Entry(Wire):
    id: str
    value: str = Field(alias="bl_value")


class _Email(Wire):
    id: str
    eaccount: str
    sender: str = Field(alias="from_address_email")


class _Counts(Wire):
    campaign_id: str
    campaign_name: str
    campaign_status: int
    leads_count: int
    contacted_count: int
    emails_sent_count: int
    reply_count_unique: int
    bounced_count: int
    unsubscribed_count: int
    completed_count: int


class InstantlyPlatform:
    """The port `Platform` over Instantly."""

    def __init__(self, client: VendorClient) -> None:
        self._client = client

    # -- campaigns ----------------------------------------------------------------------------

    async def campaign(self, campaign_id: str) -> CampaignRecord:
        """One campaign as it stands."""
        answer = await self._client.request(ops.GET_CAMPAIGN, path_params={"id": campaign_id})
        document = answer.document()
        return answer.parsed_as(_Campaign, document).record(document)

    async def named_exactly(self, name: str) -> tuple[CampaignRecord, ...]:
        """Every campaign of exactly this name. All are read: how the vendor's search takes signs
        such as brackets is not documented, and one that it missed would be made twice."""
        return tuple(one for one in await self.all_campaigns() if one.shown.name == name)

    async def all_campaigns(self) -> tuple[CampaignRecord, ...]:
        """Every campaign of the workspace, all pages."""
        found = every(self._client, ops.LIST_CAMPAIGNS, _Listed, {}, _CAMPAIGN_PAGES)
        return tuple([one.listed() async for _, one in found])

    async def counted(self, args: CampaignAnalytics) -> Analytics | None:
        """Its counts; None when the vendor's answer does not name it."""
        asked: dict[str, str | int] = {"id": args.campaign_id}
        asked |= {"start_date": args.since} if args.since else {}
        asked |= {"end_date": args.until} if args.until else {}
        answer = await self._client.request(ops.ANALYTICS, params=asked)
        rows = answer.json()
        if not isinstance(rows, list):
            raise answer.drift("the answer is not a list")
        counts = [answer.parsed_as(_Counts, row) for row in rows]
        mine = next((one for one in counts if one.campaign_id == args.campaign_id), None)
        return None if mine is None else _counted(mine)

    # -- leads --------------------------------------------------------------------------------

    async def leads_in(self, campaign_id: str, email: str) -> tuple[HeldLead, ...]:
        """The leads of this campaign with exactly this address; checked, not only asked for."""
        asked = {"campaign": campaign_id, "contacts": [email]}
        found = every(self._client, ops.LIST_LEADS, _Lead, asked, _CAMPAIGN_PAGES)
        held = [one.held() async for _, one in found if one.campaign == campaign_id]
        return tuple(one for one in held if one.email.strip().casefold() == email)

    async def all_leads(self, campaign_id: str) -> tuple[HeldLead, ...]:
        """Every lead of the campaign, all pages."""
        asked = {"campaign": campaign_id}
        found = every(self._client, ops.LIST_LEADS, _Lead, asked, _LEAD_PAGES)
        return tuple([one.held() async for _, one in found if one.campaign == campaign_id])

    async def lead_page(
        self, campaign_id: str, cursor: str | None, limit: int
    ) -> tuple[tuple[HeldLead, ...], str | None]:
        """One page of the campaign's leads and the next cursor."""
        asked: dict[str, Any] = {"campaign": campaign_id, "limit": limit}
        if cursor:
            asked["starting_after"] = cursor
        answer = await self._client.request(ops.LIST_LEADS, json=asked)
        leads, following = page_of(answer, _Lead)
        return tuple(one.held() for one in leads), following

    # -- block list and threads ---------------------------------------------------------------

    async def blocked(self, value: str) -> str | None:
        """The id of the entry that is exactly this address or domain."""
        asked = {"search": value}
        found = every(self._client, ops.LIST_BLOCKED, _Entry, asked, _CAMPAIGN_PAGES)
        exact = [one.id async for _, one in found if one.value.strip().casefold() == value]
        return exact[0] if exact else None

    async def email(self, email_id: str) -> ThreadEmail:
        """One e-mail of a thread: who wrote it, and to which of our mailboxes."""
        answer = await self._client.request(ops.GET_EMAIL, path_params={"id": email_id})
        found = answer.parsed_as(_Email, answer.document())
        return ThreadEmail(found.id, normalise_email(found.sender), found.eaccount.casefold())

    # -- whose key it is ----------------------------------------------------------------------

    async def workspace(self) -> str:
        """Name of the workspace that the key is for."""
        answer = await self._client.request(ops.GET_WORKSPACE)
        return answer.parsed_as(WorkspaceForm, answer.document()).name

    async def mailbox(self, email: str) -> MailboxState | None:
        """One mailbox; None when the workspace does not have it."""
        try:
            answer = await self._client.request(ops.GET_ACCOUNT, path_params={"email": email})
        except VendorRejected as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        found = answer.parsed_as(AccountForm, answer.document())
        if found.email.strip().casefold() != email.casefold():
            raise answer.drift("another mailbox than the one asked for")
        return found.state()

    # -- writes -------------------------------------------------------------------------------

    async def write(self, args: Write) -> str | None:
        """Do what `args` says, under its permit; the vendor's id of what was made or changed.

        Raises:
            Refused, Stopped, StoreUnavailable: nothing was sent.
            VendorError: see `guardrails.errors`; the ledger's row says what may have happened.
        """
        operation = _OPERATION[type(args).__name__]
        answer = await self._client.request(
            operation,
            path_params=_path_of(args),
            json=forms.body_of(args),
            permit=args.permit,
            key=args.key,
        )
        made = answer.document().get("id")
        return made if isinstance(made, str) else None


def _path_of(args: Write) -> dict[str, str] | None:
    if isinstance(args, (ActivateCampaign, PauseCampaign)):
        return {"id": args.campaign_id}
    return None


_OPERATION = {
    "EnsureCampaign": ops.CREATE_CAMPAIGN,
    "ActivateCampaign": ops.ACTIVATE_CAMPAIGN,
    "PauseCampaign": ops.PAUSE_CAMPAIGN,
    "EnrolLead": ops.ADD_LEAD,
    "BlockAddress": ops.BLOCK,
    "ReplyEmail": ops.REPLY,
}


def _counted(row: _Counts) -> Analytics:
    return Analytics(
        campaign=Campaign(
            id=row.campaign_id,
            name=row.campaign_name,
            status=named(CAMPAIGN_STATUS, row.campaign_status),
        ),
        leads=row.leads_count,
        contacted=row.contacted_count,
        sent=row.emails_sent_count,
        replied=row.reply_count_unique,
        bounced=row.bounced_count,
        unsubscribed=row.unsubscribed_count,
        completed=row.completed_count,
    )
