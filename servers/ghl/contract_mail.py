"""GHL: one e-mail by a conversation, and finding out what became of it.

The intent says sender, subject and body as they were approved; the HTML that leaves is derived
from the body alone (`mail.html_of`), so there is nothing in it that nobody approved.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from guardrails.identity import normalise_email
from guardrails.model.writes import WriteAction, WriteIntent
from servers.common.contract import Args, Result, ToolSpec
from servers.ghl.contract_form import (
    ContactId,
    ExactLine,
    ExactText,
    Key,
    VendorId,
    Write,
    intent_of,
)
from servers.ghl.contract_write_tools import write_tool
from servers.ghl.contract_writes import Email


def _address(text: str) -> str:
    normalise_email(text)
    return text


# As the draft's sender states it: checked, not rewritten.
SenderEmail = Annotated[str, Field(max_length=254), AfterValidator(_address)]


class SendEmail(Write):
    """One e-mail to one contact."""

    contact_id: ContactId
    to: Email = Field(description="The recipient: must be the contact's own address in the CRM.")
    sender: SenderEmail = Field(description="The address it is sent from.")
    subject: ExactLine = Field(description="One line.")
    body: ExactText = Field(
        description="The e-mail as plain text, postal address and opt-out line included; its HTML "
        "form is made from it."
    )

    def intent(self) -> WriteIntent:
        return email_intent(self.contact_id, self.to, self.sender, self.subject, self.body)


class ReconcileSend(Args):
    """The e-mail whose fate is unknown, with the very arguments of send_email."""

    key: Key
    contact_id: ContactId
    to: Email = Field(description="As send_email was given it.")
    sender: SenderEmail = Field(description="As send_email was given it.")
    subject: ExactLine = Field(description="As send_email was given it.")
    body: ExactText = Field(description="As send_email was given it.")

    def intent(self) -> WriteIntent:
        """What was to be done."""
        return email_intent(self.contact_id, self.to, self.sender, self.subject, self.body)


class Reconciled(Result):
    """What the vendor shows."""

    verdict: Literal["done", "not_done", "inconclusive"] = Field(
        description="done: the vendor shows it, and it is recorded as sent. not_done: the vendor "
        "shows what was there since and this is not among it. inconclusive: too early, or what is "
        "shown is not enough to tell; nothing was recorded."
    )
    vendor_ref: str | None = Field(default=None, description="GHL's id of it, when it is there.")
    detail: str = Field(default="", description="More, for a person.")


class ReconcileWrite(Args):
    """A note, task or opportunity whose fate is unknown."""

    key: Key
    action: Literal["add_note", "create_task", "create_opportunity"] = Field(
        description="What was to be done under this key."
    )
    contact_id: ContactId
    pipeline_id: VendorId | None = Field(
        default=None, description="For create_opportunity: the pipeline it was to stand in."
    )


def email_intent(contact_id: str, to: str, sender: str, subject: str, body: str) -> WriteIntent:
    """One e-mail by a conversation."""
    content = {"contact_id": contact_id, "sender": sender, "subject": subject, "body": body}
    return intent_of(WriteAction.SEND_EMAIL, to, content)


SEND_EMAIL = write_tool(
    "send_email",
    "Send one e-mail to a known contact",
    "Send one e-mail by the contact's GHL conversation, at once; it cannot be called back. For "
    "people already in the CRM; cold e-mail goes by Instantly's enrol_lead. Reads the contact "
    "first and refuses when DND is on or its address is not `to`. If the answer is `unknown`, do "
    "not send again: call reconcile_send.",
    SendEmail,
    destructive=True,
)
RECONCILE_SEND = ToolSpec(
    "reconcile_send",
    "Find out whether an e-mail went out",
    "For a send_email whose fate is unknown: read the contact's conversation for exactly this "
    "e-mail since it was dispatched. Records it as sent when it is there; sends nothing. If it is "
    "inconclusive, ask again in a minute or leave it to a person.",
    ReconcileSend,
    Reconciled,
    read_only=False,  # it settles our own record
    open_world=True,
)
RECONCILE_WRITE = ToolSpec(
    "reconcile_write",
    "Find out whether a note, task or opportunity was made",
    "For an add_note, create_task or create_or_update_opportunity (creating) whose fate is "
    "unknown: read the contact's notes, tasks or opportunities. Records it as sent when it is "
    "there; writes nothing at the CRM. Tags, DND, upserts and updates need none: ask for a new "
    "permit and call them again with the same key. Workflows cannot be read: a person looks.",
    ReconcileWrite,
    Reconciled,
    read_only=False,  # it settles our own record
    open_world=True,
)
