"""Looking an address up at Instantly over HTTP. Owns: the shapes of leads and block-list entries.

Filters and searches are the vendor's; that
an item really concerns the address is checked here. Refuses answers it does not understand, and
answers in which a safety field may go by another name or a page may be missing: read as "not
set", they would let a lead pass (P6).
"""

from __future__ import annotations

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from servers.common.http import Answer, VendorClient
from servers.instantly.contract_reads import Campaign, CampaignPage
from servers.instantly.service import LeadRecord
from servers.instantly.vendor_operations import LIST_BLOCKED, LIST_CAMPAIGNS, LIST_LEADS
from servers.instantly.vendor_pages import (
    CAMPAIGN_STATUS,
    INTEREST,
    LEAD_STATUS,
    Wire,
    every,
    named,
    page_of,
)

OPERATIONS = (LIST_LEADS, LIST_BLOCKED, LIST_CAMPAIGNS)
MAX_PAGES = 20
_LEAD_PROPERTIES = frozenset({
    "assigned_to", "campaign", "company_domain", "company_name", "email", "email_click_count",
    "email_clicked_step", "email_clicked_variant", "email_open_count", "email_opened_step",
    "email_opened_variant", "email_replied_step", "email_replied_variant", "email_reply_count",
    "enrichment_status", "esg_code", "esp_code", "first_name", "id", "is_website_visitor",
    "job_title", "last_contacted_from", "last_name", "last_step_from", "last_step_id",
    "last_step_timestamp_executed", "list_id", "lt_interest_status", "organization", "payload",
    "personalization", "phone", "pl_value_lead", "status", "status_summary",
    "status_summary_subseq", "subsequence_id", "timestamp_added_subsequence", "timestamp_created",
    "timestamp_last_click", "timestamp_last_contact", "timestamp_last_interest_change",
    "timestamp_last_open", "timestamp_last_reply", "timestamp_last_touch", "timestamp_updated",
    "upload_method", "uploaded_by_user", "verification_status", "website",
})  # fmt: skip


class _Lead(Wire):
    """A lead that was asked for by address. The vendor leaves an interest out that nobody set."""

    model_config = ConfigDict(extra="allow")

    id: str
    email: str = Field(min_length=1)
    campaign: str | None = None
    status: int
    interest: int | None = Field(default=None, alias="lt_interest_status")

    @field_validator("interest")
    @classmethod
    def _absent_or_a_number(cls, value: int | None) -> int:
        if value is None:
            raise PydanticCustomError("int_type", "null is not documented")
        return value

    def may_hide_interest(self) -> bool:
        """The vendor's properties are a closed list: another one may be the interest renamed."""
        return not _LEAD_PROPERTIES.issuperset(self.model_extra or ())


class _RatedLead(_Lead):
    interest: int = Field(alias="lt_interest_status")


class _Entry(Wire):
    id: str
    value: str = Field(alias="bl_value")


class _Campaign(Wire):
    id: str
    name: str
    status: int


class InstantlyOutreach:
    """The `Outreach` port over Instantly."""

    def __init__(self, client: VendorClient) -> None:
        self._client = client

    async def leads_with(self, email: str) -> tuple[LeadRecord, ...]:
        """Every lead with exactly this address, in any campaign or list."""
        asked = {"contacts": [email]}
        found = every(self._client, LIST_LEADS, _Lead, asked, MAX_PAGES)
        same = [each async for each in found if each[1].email.strip().casefold() == email]
        return tuple(_record(answer, lead) for answer, lead in same)

    async def block_entries(self, search: str) -> tuple[str, ...]:
        """Values of the block list that the vendor finds for `search`."""
        found = every(self._client, LIST_BLOCKED, _Entry, {"search": search}, MAX_PAGES)
        return tuple([entry.value async for _, entry in found])

    async def campaigns(self, cursor: str | None, limit: int) -> CampaignPage:
        """One page of campaigns with status names; an unknown number is `unknown(<number>)`."""
        params: dict[str, str | int] = {"limit": limit}
        if cursor:
            params["starting_after"] = cursor
        answer = await self._client.request(LIST_CAMPAIGNS, params=params)
        campaigns, following = page_of(answer, _Campaign)
        return CampaignPage(
            campaigns=tuple(
                Campaign(id=x.id, name=x.name, status=named(CAMPAIGN_STATUS, x.status))
                for x in campaigns
            ),
            next_cursor=following,
        )


def _record(answer: Answer, lead: _Lead) -> LeadRecord:
    if lead.may_hide_interest():
        said = lead.model_dump(by_alias=True, exclude_unset=True)
        lead = answer.parsed_as(_RatedLead, said, "items")
    return LeadRecord(
        status=named(LEAD_STATUS, lead.status),
        interest=None if lead.interest is None else named(INTEREST, lead.interest),
        campaign_id=lead.campaign,
    )
