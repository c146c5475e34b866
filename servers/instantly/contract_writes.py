"""Instantly: the tools that change something there, and what each is bound to.

Every write needs a permit and is done at most once for its key; what it would do is `intent()`,
the same before the permit, in the permit, and when it is read back from the request that leaves.
None takes a campaign that renders anything but the approved texts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from guardrails.config.models import SendingWindow
from guardrails.identity import normalise_domain, normalise_email
from guardrails.model.base import Frozen, digest
from guardrails.model.writes import WriteAction, WriteIntent
from servers.common.contract import Args, Result
from servers.instantly.contract_schedule import CampaignSchedule, schedule_for
from servers.instantly.contract_text import body_html, checked_subject

VENDOR = "instantly"
KEY_HELP = (
    "Names this write for ever, e.g. send:<delivery id>, and holds no address. The same key never "
    "writes twice: a second call answers with what the first did."
)
PERMIT_HELP = (
    "Token from guardrails' authorize_write or authorize_send for exactly these arguments; valid "
    "once and for seconds. There is no other way to write."
)
UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def _domain_or_address(value: str) -> str:
    return normalise_email(value) if "@" in value else normalise_domain(value)


def _address(text: str) -> str:
    normalise_email(text)
    return text


def _one_line(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


def _shown(subject: str) -> str:
    return checked_subject(subject)


def _showable(body: str) -> str:
    body_html(body)
    return body


Address = Annotated[str, Field(max_length=254), AfterValidator(normalise_email)]
# As the draft's sender states it: checked, not rewritten.
Mailbox = Annotated[str, Field(max_length=254), AfterValidator(_address)]
Blockable = Annotated[str, Field(max_length=254), AfterValidator(_domain_or_address)]
CampaignId = Annotated[str, Field(pattern=UUID, description="Instantly's id of the campaign.")]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Subject = Annotated[str, Field(max_length=500), AfterValidator(_shown)]
Body = Annotated[str, Field(max_length=20_000), AfterValidator(_showable)]
Status = Literal["sent", "already", "unknown"]


class Write(Args):
    """Arguments of a tool that changes something at Instantly."""

    key: str = Field(min_length=1, max_length=120, description=KEY_HELP)
    permit: str = Field(max_length=4000, description=PERMIT_HELP, repr=False)

    @abstractmethod
    def intent(self) -> WriteIntent:
        """What it would do: what the permit has to be for."""


class WriteResult(Result):
    """What became of a write."""

    status: Status = Field(
        description="sent: done now, and read back. already: it was so before this call, nothing "
        "was written. unknown: the request may have left and Instantly does not show what became "
        "of it; never write it again under another key, use reconcile_enrol."
    )
    vendor_ref: str | None = Field(description="Instantly's id of what it concerns, if known.")
    detail: str = Field(default="", description="More, for a person.")


class CampaignSpec(Frozen):
    """A campaign that sends the approved texts and nothing else. `campaign_for` makes one."""

    name: Name = Field(description="Exact name; there is one campaign of that name.")
    sender: Mailbox = Field(description="The one mailbox it sends from.")
    schedule: CampaignSchedule = Field(description="When it sends, in its own time zone.")
    daily_limit: int = Field(ge=1, le=1000, description="E-mails a day.")


class EnsureCampaign(Write):
    """A campaign as it shall be."""

    campaign: CampaignSpec = Field(description="Name, time zone, hours and mailbox it shall have.")
    recipient_zones: tuple[str, ...] = Field(
        min_length=1, description="IANA zones of the people who will be in it."
    )

    def intent(self) -> WriteIntent:
        content = self.campaign.model_dump(mode="json")
        return intent_of(
            WriteAction.CREATE_CAMPAIGN, campaign_recipient(self.campaign.name), content
        )


class EnsuredCampaign(WriteResult):
    """The campaign, found or made."""

    campaign_status: str | None = Field(description="draft, active, paused, ... if it is there.")


class ActivateCampaign(Write):
    """A campaign to start."""

    campaign_id: CampaignId

    def intent(self) -> WriteIntent:
        recipient = campaign_recipient(self.campaign_id)
        return intent_of(WriteAction.ACTIVATE_CAMPAIGN, recipient, {})


class PauseCampaign(Write):
    """A campaign to hold."""

    campaign_id: CampaignId

    def intent(self) -> WriteIntent:
        return intent_of(WriteAction.PAUSE_CAMPAIGN, campaign_recipient(self.campaign_id), {})


class PauseAll(Args):
    """Every running campaign, each with the permit for it (`list_running` names them)."""

    pauses: tuple[PauseCampaign, ...] = Field(
        max_length=2000, description="One for each running campaign, with key and permit."
    )


class PausedAll(Result):
    """What was read back after pausing."""

    paused: tuple[str, ...] = Field(description="Campaigns read back as not running.")
    not_verified: dict[str, str] = Field(
        description="Campaign id to why: still running, or it could not be read. Pause it by hand."
    )


class EnrolLead(Write):
    """One person, and the approved e-mail. `sent` means that Instantly will send it."""

    campaign_id: CampaignId
    email: Address = Field(description="Whom it is written to.")
    subject: Subject = Field(description="The approved subject, letter for letter.")
    body: Body = Field(description="The approved body as plain text, letter for letter.")
    sender: Mailbox = Field(description="The approved sender: the campaign's one mailbox.")

    def intent(self) -> WriteIntent:
        content = {
            "key": self.key,
            "campaign_id": self.campaign_id,
            "sender": self.sender,
            "subject": self.subject,
            "body": self.body,
        }
        return intent_of(WriteAction.ENROL_LEAD, self.email, content)


class BlockAddress(Write):
    """An address or a domain that no campaign may write to any more."""

    value: Blockable = Field(description="An e-mail address, or a domain.")

    def intent(self) -> WriteIntent:
        return intent_of(WriteAction.BLOCK_ADDRESS, self.value, {})


class ReplyEmail(Write):
    """An answer to an e-mail that came in."""

    reply_to: CampaignId = Field(description="Instantly's id of the e-mail that is answered.")
    to: Address = Field(description="Who wrote it; checked against the e-mail before answering.")
    sender: Mailbox = Field(description="Our mailbox that the e-mail came to.")
    subject: Subject = Field(description="Subject line of the answer.")
    body: Body = Field(description="Plain text.")

    def intent(self) -> WriteIntent:
        content = {"sender": self.sender, "subject": self.subject, "body": self.body}
        return intent_of(WriteAction.REPLY_EMAIL, f"email:{self.reply_to}", content)


def campaign_recipient(campaign: str) -> str:
    """How a permit names a campaign: by its id, or by its name before it has one."""
    return f"campaign:{campaign}"


def campaign_key(spec: CampaignSpec) -> str:
    """The ledger key under which a campaign is made: the same for whoever makes it."""
    return f"campaign:{digest(spec)[:24]}"


def campaign_for(
    base: str,
    sender: str,
    daily_limit: int,
    window: SendingWindow,
    zones: Sequence[ZoneInfo],
    now: datetime,
) -> CampaignSpec | None:
    """The campaign for recipients in all of `zones`; its name is `base` and its hours.

    None when no schedule of the vendor lies in the recipients' window.
    """
    schedule = schedule_for(window, zones, now)
    if schedule is None:
        return None
    hours = f"{schedule.time_zone} {schedule.start}-{schedule.end}"
    name = f"{base} ({hours})"
    return CampaignSpec(name=name, sender=sender, schedule=schedule, daily_limit=daily_limit)


def intent_of(action: WriteAction, recipient: str, content: dict[str, Any]) -> WriteIntent:
    """An intent at this vendor."""
    return WriteIntent(vendor=VENDOR, action=action, recipient=recipient, content=content)
