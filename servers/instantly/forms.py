"""Requests to Instantly in its own words, and the way back. Owns: every body that is written, and
reading from a request that is about to leave what exactly it does.

The way back is by the way there: what a body seems to say is written again, and unless that gives
the very same body, it says something else too and is refused. So no property can ride along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guardrails.errors import BadInput
from guardrails.model.writes import WriteIntent
from servers.instantly.campaign_form import definition, spec_of
from servers.instantly.contract_text import (
    BODY_VARIABLE,
    KEY_VARIABLE,
    SENDER_VARIABLE,
    SUBJECT_VARIABLE,
    body_html,
    body_text,
)
from servers.instantly.contract_writes import (
    ActivateCampaign,
    BlockAddress,
    EnrolLead,
    EnsureCampaign,
    PauseCampaign,
    ReplyEmail,
    Write,
)

_UNUSED = {"key": "-", "permit": ""}  # of arguments that are read back: their intent has neither


def variables(args: EnrolLead) -> dict[str, str]:
    """The lead's custom variables: what the campaign's step renders, and whose send it is."""
    return {
        SUBJECT_VARIABLE: args.subject,
        BODY_VARIABLE: body_html(args.body),
        SENDER_VARIABLE: args.sender,
        KEY_VARIABLE: args.key,
    }


def enrol_body(args: EnrolLead) -> dict[str, Any]:
    """POST /leads. The campaign's property is `campaign` here, not `campaign_id`."""
    return {
        "campaign": args.campaign_id,
        "email": args.email,
        "custom_variables": variables(args),
        "skip_if_in_campaign": True,
        "verify_leads_on_import": False,
    }


def reply_body(args: ReplyEmail) -> dict[str, Any]:
    """POST /emails/reply; to nobody but who wrote."""
    return {
        "reply_to_uuid": args.reply_to,
        "eaccount": args.sender,
        "subject": args.subject,
        "body": {"html": body_html(args.body)},
    }


def block_body(args: BlockAddress) -> dict[str, Any]:
    """POST /block-lists-entries"""
    return {"bl_value": args.value}


def create_intent(_: Mapping[str, str], body: Any) -> WriteIntent:
    """POST /campaigns"""
    spec = spec_of(body)
    return EnsureCampaign(campaign=spec, recipient_zones=("-",), **_UNUSED).intent()


def activate_intent(path: Mapping[str, str], body: Any) -> WriteIntent:
    """POST /campaigns/{id}/activate"""
    _require_same(body, None)
    return ActivateCampaign(campaign_id=path["id"], **_UNUSED).intent()


def pause_intent(path: Mapping[str, str], body: Any) -> WriteIntent:
    """POST /campaigns/{id}/pause"""
    _require_same(body, None)
    return PauseCampaign(campaign_id=path["id"], **_UNUSED).intent()


def enrol_intent(_: Mapping[str, str], body: Any) -> WriteIntent:
    """POST /leads"""
    said = body["custom_variables"]
    args = EnrolLead(
        campaign_id=body["campaign"],
        email=body["email"],
        subject=said[SUBJECT_VARIABLE],
        body=body_text(said[BODY_VARIABLE]),
        sender=said[SENDER_VARIABLE],
        key=said[KEY_VARIABLE],
        permit="",
    )
    _require_same(body, enrol_body(args))
    return args.intent()


def block_intent(_: Mapping[str, str], body: Any) -> WriteIntent:
    """POST /block-lists-entries"""
    args = BlockAddress(value=body["bl_value"], **_UNUSED)
    _require_same(body, block_body(args))
    return args.intent()


def reply_intent(_: Mapping[str, str], body: Any) -> WriteIntent:
    """POST /emails/reply"""
    args = ReplyEmail(
        reply_to=body["reply_to_uuid"],
        to=body["eaccount"],  # stands in no request: the vendor takes it from the thread
        sender=body["eaccount"],
        subject=body["subject"],
        body=body_text(body["body"]["html"]),
        **_UNUSED,
    )
    _require_same(body, reply_body(args))
    return args.intent()


def _require_same(body: Any, written: Any) -> None:
    if body != written:
        raise BadInput("the request says more than it may")


def body_of(args: Write) -> Any:
    """The body that a write sends; None for those that have none."""
    match args:
        case EnsureCampaign():
            return definition(args.campaign)
        case EnrolLead():
            return enrol_body(args)
        case BlockAddress():
            return block_body(args)
        case ReplyEmail():
            return reply_body(args)
        case _:
            return None
