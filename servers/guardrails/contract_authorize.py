"""Guardrails: leave to write. What is asked for a permit, for e-mails and for every other write."""

from __future__ import annotations

from pydantic import Field

from guardrails.authorize_model import Authorization, send_key
from guardrails.model import CrmView, OutreachView, Recollection, WriteIntent
from servers.common.contract import Args, ToolSpec


class AuthorizeSend(Args):
    """An e-mail that a recorded decision let go, with what the vendors know of the person now."""

    decision_audit_id: str = Field(
        description="Audit id of the review that decided it.", max_length=80
    )
    intent: WriteIntent = Field(
        description="The write, as the tool that will do it states it: exactly the decided "
        "recipient, sender, subject and body."
    )
    crm: CrmView | None = Field(description="From ghl's look_up_lead, asked just now.")
    outreach: OutreachView | None = Field(
        description="From instantly's look_up_address, asked just now."
    )
    memory: Recollection | None = Field(
        default=None,
        description="What the long-term memory knows now, where there is one. Its silence, or "
        "null, leaves what it knew at the decision.",
    )


class AuthorizeWrite(Args):
    """Any write that is no e-mail."""

    key: str = Field(
        description="Names this write for ever, e.g. note:<decision's audit id>: done once, it is "
        "not done again under it. What may be needed again gets a new key for each occasion.",
        max_length=120,
    )
    intent: WriteIntent = Field(
        description="The write, as the tool that will do it states it from its arguments."
    )
    lead_id: str | None = Field(default=None, description="The lead it is for.", max_length=80)
    run_id: str | None = Field(default=None, description="The run it belongs to.", max_length=80)
    decision_audit_id: str | None = Field(
        default=None,
        description="The decision about that lead; needed for everything but campaigns, DND, the "
        "block list and taking somebody out of a workflow.",
        max_length=80,
    )


AUTHORIZE_SEND = ToolSpec(
    "authorize_send",
    "Ask leave to send an e-mail",
    "Check everything that can have changed since the decision (stop, mode, policy, suppression, "
    "DND, other contact, bank, window, caps, pauses), claim the e-mail in the send ledger, put it "
    "on record and mint a permit for exactly this e-mail, valid once and for seconds. Says "
    "refused, deferred (with not_before) or already otherwise. Nothing is sent. Asking again "
    "voids an unused permit of before.",
    AuthorizeSend,
    Authorization,
    read_only=False,
)
AUTHORIZE_WRITE = ToolSpec(
    "authorize_write",
    "Ask leave to write",
    "Ask for a permit for any write at GHL or Instantly that is no e-mail (for those: "
    "authorize_send): checked, claimed and put on record in the same way. Contacts, tags, notes, "
    "tasks, opportunities and workflows need the lead's recorded decision; in shadow and during a "
    "stop nothing is allowed. Says refused, deferred or already otherwise. Writes nothing there.",
    AuthorizeWrite,
    Authorization,
    read_only=False,
)
__all__ = [
    "AUTHORIZE_SEND",
    "AUTHORIZE_WRITE",
    "Authorization",
    "AuthorizeSend",
    "AuthorizeWrite",
    "send_key",
]
