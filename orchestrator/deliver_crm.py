"""What the CRM is told after an e-mail went out. Owns: contact, tags, note and opportunity.

Each is a write with a row of its own in the ledger, so that none is done twice and a failing one
neither undoes the e-mail nor holds up the others. Refuses to overwrite what the CRM knows better
and to move an opportunity that has come further.
"""

from __future__ import annotations

import unicodedata
from typing import Literal, TypeVar

from pydantic import BaseModel

from guardrails.clock import Clock
from guardrails.config.models.production import Delivery as DeliveryConfig
from guardrails.errors import BadInput, LeadQuarantined, ServerUnavailable
from guardrails.model import FactName
from orchestrator.deliver_writes import Caller, Fate, Outcome, Writer, later
from orchestrator.letters import Letter
from orchestrator.mcp_session import ToolFailed
from servers.common.contract import ToolSpec
from servers.ghl import contract as ghl
from servers.ghl import contract_mail, contract_reads, contract_writes
from servers.ghl import contract_write_tools as tools

_LINE_CHARS = 200
_NOTE_CHARS = 15_000
_MADE, _MOVED = "opportunity", "opportunity-stage"  # how their keys begin
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


class FollowUp:
    """The writes after one e-mail."""

    def __init__(
        self, config: DeliveryConfig, children: Caller, writer: Writer, clock: Clock
    ) -> None:
        self._config = config
        self._children = children
        self._writer = writer
        self._clock = clock

    async def contact(self, letter: Letter) -> Fate:
        """Find the contact, or make it, or complete it; `vendor_ref` is its id."""
        fate = await self._contact(letter)
        if fate.outcome is Outcome.DONE:
            # What an attempt of unknown fate was to write is there by now, whoever wrote it.
            await self._writer.settle_shown((f"contact:{letter.delivery_id}:",), fate.vendor_ref)
        return fate

    async def _contact(self, letter: Letter) -> Fate:
        known = contract_writes.ContactFields.model_validate(_fields(letter))
        asked = contract_reads.PlanContact(email=letter.to, fields=known)
        plan = await self._read(contract_reads.PLAN_CONTACT, asked)
        if isinstance(plan, Fate):
            return plan
        if plan.contact_id is not None and not plan.changes.stated():
            return Fate(outcome=Outcome.DONE, vendor_ref=plan.contact_id)
        args = contract_writes.UpsertContact(
            key="contact:", permit="", email=letter.to, fields=plan.changes
        )
        # What is to be changed can be another thing at the next attempt: then it is another write.
        key = f"contact:{letter.delivery_id}:{args.intent().content_hash[:12]}"
        named = args.model_copy(update={"key": key})
        return await self._writer.write(ghl.SERVER, tools.UPSERT_CONTACT, named, letter.whose)

    async def tags(self, letter: Letter, contact_id: str) -> Fate:
        """Add the configured tags; the others stay."""
        if not self._config.ghl_tags:
            return Fate(outcome=Outcome.DONE)
        args = contract_writes.AddTags(
            key=f"tags:{letter.delivery_id}",
            permit="",
            contact_id=contact_id,
            tags=self._config.ghl_tags,
        )
        return await self._writer.write(ghl.SERVER, tools.ADD_TAGS, args, letter.whose)

    async def note(self, letter: Letter, contact_id: str, channel: str) -> Fate:
        """Say what was sent, and why."""
        args = contract_writes.AddNote(
            key=f"note:{letter.delivery_id}",
            permit="",
            contact_id=contact_id,
            text=note_text(letter, channel),
        )
        fate = await self._writer.write(ghl.SERVER, tools.ADD_NOTE, args, letter.whose)
        return await self._made_sure(fate, args.key, "add_note", contact_id)

    async def opportunity(self, letter: Letter, contact_id: str) -> Fate:
        """An opportunity in the configured stage, unless it has come further by itself."""
        asked = contract_reads.FindOpportunity(
            contact_id=contact_id, pipeline=self._config.ghl_pipeline, stage=self._config.ghl_stage
        )
        place = await self._read(contract_reads.FIND_OPPORTUNITY, asked)
        if isinstance(place, Fate):
            return place
        there = (place.stage or "").casefold() == self._config.ghl_stage.casefold()
        if place.opportunity_id is not None and (place.further or there):
            keys = tuple(f"{name}:{letter.delivery_id}" for name in (_MADE, _MOVED))
            await self._writer.settle_shown(keys, place.opportunity_id)
            return Fate(outcome=Outcome.DONE, vendor_ref=place.opportunity_id)
        made = place.opportunity_id is None
        args = contract_writes.PutOpportunity(
            key=f"{_MADE if made else _MOVED}:{letter.delivery_id}",
            permit="",
            contact_id=contact_id,
            pipeline_id=place.pipeline_id,
            stage_id=place.stage_id,
            name=_opportunity_name(letter),
            opportunity_id=place.opportunity_id,
        )
        fate = await self._writer.write(
            ghl.SERVER, tools.CREATE_OR_UPDATE_OPPORTUNITY, args, letter.whose
        )
        if not made:
            return fate
        pipeline = place.pipeline_id
        return await self._made_sure(fate, args.key, "create_opportunity", contact_id, pipeline)

    async def _made_sure(
        self,
        fate: Fate,
        key: str,
        action: Literal["add_note", "create_opportunity"],
        contact_id: str,
        pipeline_id: str | None = None,
    ) -> Fate:
        """An unknown fate, read at the vendor."""
        if fate.outcome is not Outcome.UNKNOWN:
            return fate
        asked = contract_mail.ReconcileWrite(
            key=key, action=action, contact_id=contact_id, pipeline_id=pipeline_id
        )
        found = await self._read(contract_mail.RECONCILE_WRITE, asked)
        if isinstance(found, Fate) or found.verdict != "done":
            return fate
        return Fate(outcome=Outcome.DONE, vendor_ref=found.vendor_ref)

    async def _read(self, spec: ToolSpec[A, R], args: A) -> R | Fate:
        """An answer, or why there is none now. Raises what concerns all."""
        try:
            return await self._children.call(ghl.SERVER, spec, args)
        except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
            return later(error, self._clock())


def note_text(letter: Letter, channel: str) -> str:
    """What was sent and why, the same at every attempt."""
    by = "a GHL conversation" if channel == "ghl" else "the Instantly campaign"
    score = letter.qualification
    fit = (
        f"ICP score {score.score} (tier {score.tier}), segment {score.segment}, "
        f"persona {score.persona}."
        if score is not None
        else "Not scored."
    )
    lines = (
        f"The swarm wrote to this contact by {by}.",
        "",
        f"Subject: {letter.draft.subject}",
        "",
        letter.draft.body.strip(),
        "",
        f"Why: {fit} Every check passed.",
        f"On record: {letter.delivery_id} (`swarm explain {letter.delivery_id}`).",
    )
    return "\n".join(lines)[:_NOTE_CHARS]


def _opportunity_name(letter: Letter) -> str:
    lead = letter.dossier.lead
    person = " ".join(part for part in (lead.first_name, lead.last_name) if part)
    named = _stated(letter)
    return named.get("company") or _line(person) or letter.to


def _fields(letter: Letter) -> dict[str, str]:
    """What is known of the person, in the CRM's terms."""
    zone = letter.dossier.lead.timezone or _fact(letter, "timezone")
    return _stated(letter) | ({"time_zone": zone} if zone else {}) | {"source": "AI swarm"}


def _stated(letter: Letter) -> dict[str, str]:
    lead = letter.dossier.lead
    known = {
        "first_name": lead.first_name or _fact(letter, "first_name"),
        "last_name": lead.last_name or _fact(letter, "last_name"),
        "phone": lead.phone,
        "company": lead.company or _fact(letter, "company"),
        "website": lead.website,
        "city": lead.city or _fact(letter, "city"),
        "state": lead.state,
        "country": lead.country or _fact(letter, "country"),
    }
    lines = {name: _line(value) for name, value in known.items() if value}
    return {name: line for name, line in lines.items() if line}


def _fact(letter: Letter, name: FactName) -> str | None:
    found = letter.dossier.facts.get(name)
    return found.value if found is not None and isinstance(found.value, str) else None


def _line(text: str) -> str:
    """Outside text as one line that the CRM takes; empty when nothing of it is left."""
    shown = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    return " ".join(shown.split())[:_LINE_CHARS]
