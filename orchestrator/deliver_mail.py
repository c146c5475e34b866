"""The e-mail itself, by either channel. Owns: which channel, and the words of the request.

Known to the CRM: by a GHL conversation. Cold: by the Instantly campaign whose hours lie in the
recipient's own window. Subject, body and sender are the decided draft's, letter for letter.
Refuses to guess a time zone, and to use a campaign that differs from what it shall be or that
somebody paused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.errors import BadInput
from guardrails.model import CrmView, Reason
from guardrails.schedule import Zones, window_zones
from orchestrator.deliver_writes import Caller, Fate, Outcome, Whose, Writer
from orchestrator.letters import Letter
from servers.common.contract import ToolSpec
from servers.ghl import contract as ghl
from servers.ghl import contract_mail as ghl_mail
from servers.instantly import contract as instantly
from servers.instantly import contract_reads as instantly_reads
from servers.instantly import contract_writes as instantly_writes

Channel = Literal["ghl", "instantly"]
_STARTABLE = frozenset({"draft", "completed"})  # paused is a person's, or the stop's
_NO_CAMPAIGN_S = 900.0
_LOOKED_AT = timedelta(seconds=60)

_NO_SCHEDULE = Fate(
    outcome=Outcome.REFUSED,
    reasons=(
        Reason(
            code="no_schedule",
            text="No campaign hours lie in this recipient's sending window.",
        ),
    ),
)


@dataclass(frozen=True)
class Message:
    """A letter as one channel takes it; `args` has no permit yet."""

    server: str
    spec: ToolSpec[Any, Any]
    args: Any
    reconcile: ToolSpec[Any, Any]
    reconcile_args: Any


def channel_for(crm: CrmView) -> Channel:
    """Cold e-mail never goes by the CRM's domain, nor a known contact's by the cold one."""
    return "ghl" if crm.contact_id is not None else "instantly"


class Post:
    """Makes messages; sees to the campaigns that cold ones go by, each once in a minute."""

    def __init__(self, config: Config, children: Caller, writer: Writer, clock: Clock) -> None:
        self._production = config.production
        self._children = children
        self._writer = writer
        self._clock = clock
        self._campaigns: dict[str, tuple[str, datetime]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def message(self, letter: Letter, channel: str, crm: CrmView) -> Message | Fate:
        """The message by this `Channel`, or why there can be none now.

        Raises:
            ToolFailed, ServerUnavailable, BadInput: the campaign cannot be looked up or made.
        """
        if channel == "ghl":
            return _conversation(letter, crm)
        return _enrolment(letter, await self._campaign(letter))

    async def as_sent(self, letter: Letter, channel: str, crm: CrmView) -> Message | Fate:
        """The message as it was sent, to ask what became of it: nothing is made or started for
        that, and its campaign may be held by now.

        Raises:
            ToolFailed, ServerUnavailable, BadInput: the campaign cannot be looked up.
        """
        if channel == "ghl":
            return _conversation(letter, crm)
        spec = self._spec(letter, self._zones(letter) or ())
        found = await self._find(spec) if spec is not None else None
        known = found.campaign if found is not None else None
        return _enrolment(letter, _NO_SCHEDULE if known is None else known.id)

    def _zones(self, letter: Letter) -> Zones | None:
        return window_zones(letter.dossier.lead, letter.dossier.facts, self._clock())

    async def _campaign(self, letter: Letter) -> str | Fate:
        """Id of the active campaign for this recipient's zones."""
        zones = self._zones(letter)
        spec = self._spec(letter, zones or ())
        if zones is None or spec is None:
            return _NO_SCHEDULE
        async with self._one_at_a_time:
            known = self._campaigns.get(spec.name)
            # Somebody, or the red button, may have paused it since: it is looked at again.
            if known is None or self._clock() - known[1] >= _LOOKED_AT:
                found = await self._ready(spec, tuple(zone.key for zone in zones), letter.whose)
                if isinstance(found, Fate):
                    return found
                self._campaigns[spec.name] = found, self._clock()
            return self._campaigns[spec.name][0]

    def _spec(
        self, letter: Letter, zones: tuple[ZoneInfo, ...]
    ) -> instantly_writes.CampaignSpec | None:
        production = self._production
        return instantly_writes.campaign_for(
            production.delivery.instantly_campaign,
            letter.draft.sender.email,
            production.sending_limits.per_mailbox_day,
            production.sending_window,
            zones,
            self._clock(),
        )

    async def _ready(
        self, spec: instantly_writes.CampaignSpec, zones: tuple[str, ...], whose: Whose
    ) -> str | Fate:
        """Find the campaign, make it if it is not there, start it if it was never started."""
        found = await self._find(spec)
        if found.campaign is None:
            ensure = instantly_writes.EnsureCampaign(
                key=instantly_writes.campaign_key(spec),
                permit="",
                campaign=spec,
                recipient_zones=zones,
            )
            made = await self._writer.write(
                instantly.SERVER, instantly.ENSURE_CAMPAIGN, ensure, whose
            )
            if made.outcome is not Outcome.DONE:
                return self._without(spec, made.reasons)
            found = await self._find(spec)
        if found.campaign is None or found.differs:
            what = "; ".join(found.differs) or "it was made and is not there any more"
            return self._without(spec, (Reason(code="campaign_differs", text=what),))
        return await self._started(spec, found.campaign, whose)

    async def _started(
        self,
        spec: instantly_writes.CampaignSpec,
        campaign: instantly_reads.Campaign,
        whose: Whose,
    ) -> str | Fate:
        if campaign.status in _STARTABLE:
            # A key is done once: one that ran out of people is started again under another.
            again = f":{whose.decision_audit_id}" if campaign.status == "completed" else ""
            activate = instantly_writes.ActivateCampaign(
                key=f"activate:{campaign.id}{again}", permit="", campaign_id=campaign.id
            )
            started = await self._writer.write(
                instantly.SERVER, instantly.ACTIVATE_CAMPAIGN, activate, whose
            )
            if started.outcome is Outcome.DONE:
                return campaign.id
            return self._without(spec, started.reasons)
        if campaign.status != "active":
            # Somebody, or the emergency stop, held it: it is theirs to start again.
            text = f"The campaign {spec.name!r} is {campaign.status}."
            return self._without(spec, (Reason(code="campaign_not_active", text=text),))
        return campaign.id

    async def _find(self, spec: instantly_writes.CampaignSpec) -> instantly_reads.FoundCampaign:
        request = instantly_reads.FindCampaign(campaign=spec)
        return await self._children.call(instantly.SERVER, instantly.FIND_CAMPAIGN, request)

    def _without(self, spec: instantly_writes.CampaignSpec, reasons: tuple[Reason, ...]) -> Fate:
        text = f"Cold e-mail waits for the campaign {spec.name!r}."
        remedy = "Look at it in Instantly; the same command goes on afterwards."
        waits = Reason(code="campaign_not_ready", text=text, remedy=remedy)
        until = self._clock() + timedelta(seconds=_NO_CAMPAIGN_S)
        return Fate(outcome=Outcome.LATER, reasons=(waits, *reasons), not_before=until)


def _enrolment(letter: Letter, campaign: str | Fate) -> Message | Fate:
    if isinstance(campaign, Fate):
        return campaign
    said = {
        "key": letter.key,
        "campaign_id": campaign,
        "email": letter.to,
        "subject": letter.draft.subject,
        "body": letter.draft.body,
        "sender": letter.draft.sender.email,
    }
    return _worded(
        lambda: Message(
            instantly.SERVER,
            instantly.ENROL_LEAD,
            instantly_writes.EnrolLead(permit="", **said),
            instantly.RECONCILE_ENROL,
            instantly_reads.ReconcileEnrol(**said),
        )
    )


def _conversation(letter: Letter, crm: CrmView) -> Message | Fate:
    if crm.contact_id is None:
        text = "The CRM does not show the contact any more that it was to be written by."
        return Fate(outcome=Outcome.REFUSED, reasons=(Reason(code="contact_gone", text=text),))
    said = {
        "key": letter.key,
        "contact_id": crm.contact_id,
        "to": letter.to,
        "sender": letter.draft.sender.email,
        "subject": letter.draft.subject,
        "body": letter.draft.body,
    }
    return _worded(
        lambda: Message(
            ghl.SERVER,
            ghl_mail.SEND_EMAIL,
            ghl_mail.SendEmail(permit="", **said),
            ghl_mail.RECONCILE_SEND,
            ghl_mail.ReconcileSend(**said),
        )
    )


def _worded(make: Callable[[], Message]) -> Message | Fate:
    """The message, or the end of a text that its channel would not carry letter for letter."""
    try:
        return make()
    except (BadInput, ValidationError) as error:
        why = error.message if isinstance(error, BadInput) else _named(error)
        text = f"The e-mail cannot be sent as it was decided: {why}."
        return Fate(outcome=Outcome.REFUSED, reasons=(Reason(code="unsendable", text=text),))


def _named(error: ValidationError) -> str:
    """What is wrong with which argument; no word of the e-mail."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
