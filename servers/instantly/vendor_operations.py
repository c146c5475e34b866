"""What may be asked of Instantly beyond look-ups. Owns: paths, and what an answer to a write means.

An enrolment that was answered 200 is of unknown fate until the lead was read back: what the
vendor answers for a lead that it skipped is not documented.
"""

from __future__ import annotations

from typing import Any

from guardrails.model.writes import WriteAction
from servers.common.operations import Effect, Operation, Settled
from servers.instantly import forms
from servers.instantly.vendor_pages import CAMPAIGN_STATUS

V2 = "/api/v2"
NOT_READ_BACK = "accepted, and not read back yet"


def _enrolled(status: int, body: Any) -> Settled | None:
    if status >= 300:
        return None
    return Settled("unknown", _id(body), note=NOT_READ_BACK)


def _made(status: int, body: Any) -> Settled | None:
    if status >= 300:
        return None
    made = _id(body)
    return Settled("sent", made) if made else Settled("unknown", note="the answer names no id")


def _reads(status: int, body: Any, wanted: frozenset[str]) -> Settled | None:
    if status >= 300:
        return None
    number = body.get("status") if isinstance(body, dict) else None
    stands = CAMPAIGN_STATUS.get(number) if isinstance(number, int) else None
    if stands in wanted:
        return Settled("sent", _id(body))
    return Settled("unknown", _id(body), note=f"answered, and the campaign is {stands}")


def _activated(status: int, body: Any) -> Settled | None:
    return _reads(status, body, frozenset({"active"}))


def _paused(status: int, body: Any) -> Settled | None:
    return _reads(status, body, frozenset({"paused", "draft", "completed"}))


def _id(body: Any) -> str | None:
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and found else None


LIST_CAMPAIGNS = Operation("list_campaigns", "GET", f"{V2}/campaigns", Effect.READ)
GET_CAMPAIGN = Operation("get_campaign", "GET", f"{V2}/campaigns/{{id}}", Effect.READ)
ANALYTICS = Operation("campaign_analytics", "GET", f"{V2}/campaigns/analytics", Effect.READ)
LIST_LEADS = Operation("list_leads", "POST", f"{V2}/leads/list", Effect.READ)
LIST_BLOCKED = Operation("list_block_list", "GET", f"{V2}/block-lists-entries", Effect.READ)
GET_EMAIL = Operation("get_email", "GET", f"{V2}/emails/{{id}}", Effect.READ)
GET_WORKSPACE = Operation("get_workspace", "GET", f"{V2}/workspaces/current", Effect.READ)
GET_ACCOUNT = Operation("get_account", "GET", f"{V2}/accounts/{{email}}", Effect.READ)
CREATE_CAMPAIGN = Operation(
    "create_campaign", "POST", f"{V2}/campaigns", Effect.WRITE, idempotent=False,
    actions=(WriteAction.CREATE_CAMPAIGN,), intent=forms.create_intent, settle=_made,
)  # fmt: skip
ACTIVATE_CAMPAIGN = Operation(
    "activate_campaign", "POST", f"{V2}/campaigns/{{id}}/activate", Effect.WRITE,
    actions=(WriteAction.ACTIVATE_CAMPAIGN,), intent=forms.activate_intent, settle=_activated,
)  # fmt: skip
PAUSE_CAMPAIGN = Operation(
    "pause_campaign", "POST", f"{V2}/campaigns/{{id}}/pause", Effect.WRITE,
    actions=(WriteAction.PAUSE_CAMPAIGN,), intent=forms.pause_intent, settle=_paused,
)  # fmt: skip
ADD_LEAD = Operation(
    "create_lead", "POST", f"{V2}/leads", Effect.WRITE, idempotent=False,
    actions=(WriteAction.ENROL_LEAD,), intent=forms.enrol_intent, settle=_enrolled,
)  # fmt: skip
BLOCK = Operation(
    "block_address", "POST", f"{V2}/block-lists-entries", Effect.WRITE,
    actions=(WriteAction.BLOCK_ADDRESS,), intent=forms.block_intent, settle=_made,
)  # fmt: skip
REPLY = Operation(
    "reply_email", "POST", f"{V2}/emails/reply", Effect.WRITE, idempotent=False,
    actions=(WriteAction.REPLY_EMAIL,), intent=forms.reply_intent, settle=_made,
)  # fmt: skip
READS = (
    LIST_CAMPAIGNS, ANALYTICS, GET_CAMPAIGN, LIST_LEADS, LIST_BLOCKED, GET_EMAIL, GET_WORKSPACE,
    GET_ACCOUNT,
)  # fmt: skip
WRITES = (CREATE_CAMPAIGN, ACTIVATE_CAMPAIGN, PAUSE_CAMPAIGN, ADD_LEAD, BLOCK, REPLY)
OPERATIONS = (*READS, *WRITES)
