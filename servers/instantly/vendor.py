"""Instantly API v2 over HTTP. Owns: its paths, shapes, cursors and the names of its numbers.

Three reads are declared and nothing else can leave. Filters and searches are the vendor's; that
an item really concerns the address is checked here. Refuses answers it does not understand, and
answers in which a safety field may go by another name or a page may be missing: read as "not
set", they would let a lead pass (P6).
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from guardrails.errors import VendorUnavailable
from servers.common.http import Answer, VendorClient
from servers.common.operations import Effect, Operation
from servers.instantly.contract import Campaign, CampaignPage
from servers.instantly.service import LeadRecord

LIST_LEADS = Operation("list_leads", "POST", "/api/v2/leads/list", Effect.READ)
LIST_BLOCKED = Operation("list_block_list", "GET", "/api/v2/block-lists-entries", Effect.READ)
LIST_CAMPAIGNS = Operation("list_campaigns", "GET", "/api/v2/campaigns", Effect.READ)
OPERATIONS = (LIST_LEADS, LIST_BLOCKED, LIST_CAMPAIGNS)
PAGE = 100
MAX_PAGES = 20
CAMPAIGN_STATUS = {
    0: "draft", 1: "active", 2: "paused", 3: "completed", 4: "running_subsequences",
    -1: "accounts_unhealthy", -2: "bounce_protect", -99: "suspended",
}  # fmt: skip
LEAD_STATUS = {
    1: "active", 2: "paused", 3: "completed", -1: "bounced", -2: "unsubscribed", -3: "skipped",
}  # fmt: skip
INTEREST = {
    0: "out_of_office", 1: "interested", 2: "meeting_booked", 3: "meeting_completed", 4: "won",
    -1: "not_interested", -2: "wrong_person", -3: "lost", -4: "no_show",
}  # fmt: skip
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


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Lead(_Wire):
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


class _Entry(_Wire):
    id: str
    value: str = Field(alias="bl_value")


class _Campaign(_Wire):
    id: str
    name: str
    status: int


W = TypeVar("W", bound=_Wire)


class InstantlyOutreach:
    """The `Outreach` port over Instantly."""

    def __init__(self, client: VendorClient) -> None:
        self._client = client

    async def leads_with(self, email: str) -> tuple[LeadRecord, ...]:
        """Every lead with exactly this address, in any campaign or list."""
        found: list[LeadRecord] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            body: dict[str, Any] = {"contacts": [email], "limit": PAGE}
            if cursor:
                body["starting_after"] = cursor
            answer = await self._client.request(LIST_LEADS, json=body)
            leads, cursor = _whole_page(answer, _Lead)
            found += [_record(answer, x) for x in leads if x.email.strip().casefold() == email]
            if cursor is None:
                return tuple(found)
        raise _endless(LIST_LEADS)

    async def block_entries(self, search: str) -> tuple[str, ...]:
        """Values of the block list that the vendor finds for `search`."""
        found: list[str] = []
        params: dict[str, str | int] = {"search": search, "limit": PAGE}
        for _ in range(MAX_PAGES):
            answer = await self._client.request(LIST_BLOCKED, params=params)
            entries, cursor = _whole_page(answer, _Entry)
            found += [entry.value for entry in entries]
            if cursor is None:
                return tuple(found)
            params["starting_after"] = cursor
        raise _endless(LIST_BLOCKED)

    async def campaigns(self, cursor: str | None, limit: int) -> CampaignPage:
        """One page of campaigns with status names; an unknown number is `unknown(<number>)`."""
        params: dict[str, str | int] = {"limit": limit}
        if cursor:
            params["starting_after"] = cursor
        answer = await self._client.request(LIST_CAMPAIGNS, params=params)
        campaigns, following = _page(answer, _Campaign)
        return CampaignPage(
            campaigns=tuple(
                Campaign(id=x.id, name=x.name, status=_named(CAMPAIGN_STATUS, x.status))
                for x in campaigns
            ),
            next_cursor=following,
        )


def _page(answer: Answer, model: type[W]) -> tuple[list[W], str | None]:
    """The items of one page and the next cursor; an empty page is the last whatever it says."""
    document = answer.document()
    items, cursor = document.get("items"), document.get("next_starting_after")
    if not isinstance(items, list):
        raise answer.drift("no list of items")
    if cursor is not None and not isinstance(cursor, str):
        raise answer.drift("the cursor is not text")
    parsed = [answer.parsed_as(model, item) for item in items]
    return parsed, (cursor or None) if parsed else None


def _whole_page(answer: Answer, model: type[W]) -> tuple[list[W], str | None]:
    """A page of `PAGE` items at most; a full one has to say where the next one starts."""
    parsed, cursor = _page(answer, model)
    if cursor is None and len(parsed) >= PAGE:
        raise answer.drift("a full page names no next one", "next_starting_after")
    return parsed, cursor


def _record(answer: Answer, lead: _Lead) -> LeadRecord:
    if lead.may_hide_interest():
        said = lead.model_dump(by_alias=True, exclude_unset=True)
        lead = answer.parsed_as(_RatedLead, said, "items")
    return LeadRecord(
        status=_named(LEAD_STATUS, lead.status),
        interest=None if lead.interest is None else _named(INTEREST, lead.interest),
        campaign_id=lead.campaign,
    )


def _named(names: dict[int, str], number: int) -> str:
    return names.get(number, f"unknown({number})")


def _endless(operation: Operation) -> VendorUnavailable:
    return VendorUnavailable(
        f"instantly {operation.name}: more than {PAGE * MAX_PAGES} items",
        vendor="instantly",
        operation=operation.name,
        remedy="Check that the vendor honours the filter; until then the lead cannot be cleared.",
    )
