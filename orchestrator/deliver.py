"""deliver_lead: from a decision to an e-mail that went out once, or did not. Owns: the order.

Look again (DND and what else the vendors know) → the channel, once → leave, and the e-mail under
it → what the CRM is told. A step may run twice after a crash: what must not be done twice stands
in the ledger, and the ledger is asked, not this workflow's memory. Refuses to deliver in shadow,
on a look-up that failed, and to try anything again whose fate is unknown; that assisted needs a
person's yes is guardrails' to see.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from guardrails import tracing
from guardrails.clock import Clock
from guardrails.errors import BadInput, LeadQuarantined, NotFound, ServerUnavailable
from guardrails.model import CrmView, Mode, OutreachView, Reason, Recollection
from orchestrator.asking import Recaller
from orchestrator.deliver_crm import FollowUp
from orchestrator.deliver_mail import Message, Post, channel_for
from orchestrator.deliver_steps import (
    as_json,
    died,
    fate_of,
    looked,
    lowered,
    not_told,
    seen_of,
    stale,
    told,
    working_on,
)
from orchestrator.deliver_writes import Caller, Fate, Outcome, Writer, ended, later
from orchestrator.deliveries import Deliveries, DeliveryState, Ended
from orchestrator.engine import Engine, Json
from orchestrator.letters import Letter, Letters
from orchestrator.mcp_session import ToolFailed
from servers.ghl import contract as ghl
from servers.guardrails import contract as guardrails
from servers.instantly import contract as instantly

WORKFLOW = "deliver_lead"
_FOLLOW_UP_S = 60.0
_ENDS = {
    Outcome.LATER: DeliveryState.DEFERRED,
    Outcome.REFUSED: DeliveryState.REFUSED,
    Outcome.FAILED: DeliveryState.FAILED,
    Outcome.UNKNOWN: DeliveryState.UNKNOWN,
}


class DeliverLead:
    """The workflow, over the queen's servers."""

    def __init__(
        self,
        engine: Engine,
        children: Caller,
        deliveries: Deliveries,
        letters: Letters,
        post: Post,
        follow_up: FollowUp,
        writer: Writer,
        clock: Clock,
        mode: Mode,
        recaller: Recaller | None = None,
    ) -> None:
        self._engine = engine
        self._children = children
        self._deliveries = deliveries
        self._letters = letters
        self._post = post
        self._follow_up = follow_up
        self._writer = writer
        self._clock = clock
        self._mode = mode
        self._recaller = recaller

    async def workflow(self, delivery_id: str) -> Json:
        """Go on from where the lead stands. Result: `{state}`."""
        with tracing.span("deliver_lead", decision=delivery_id):
            return await self._workflow(delivery_id)

    async def _workflow(self, delivery_id: str) -> Json:
        seen = await self._engine.step("look_up", self._look_up, delivery_id)
        if seen["left"]:
            await self._deliveries.end(delivery_id, Ended(DeliveryState.QUEUED, (lowered(),)))
            return {"state": DeliveryState.QUEUED.value}
        fate = fate_of(seen)
        if fate is None:
            fate = fate_of(await self._engine.step("send", self._send, delivery_id, seen))
        if fate is not None and fate.outcome is Outcome.UNKNOWN:
            fate = fate_of(await self._engine.step("reconcile", self._reconcile, delivery_id, seen))
        assert fate is not None
        end = await self._settled(delivery_id, fate)
        return {"state": end.state.value}

    async def _settled(self, delivery_id: str, fate: Fate) -> Ended:
        if fate.outcome is not Outcome.DONE:
            end = Ended(_ENDS[fate.outcome], fate.reasons, fate.not_before)
        else:
            # Before anything else: whatever happens to the follow-ups, it went out.
            open_ = Reason(code="crm_open", text="The CRM is not told yet.")
            sent = Ended(DeliveryState.SENT, (open_,), self._clock())
            await self._deliveries.end(delivery_id, sent)
            if self._mode is Mode.SHADOW:
                return sent  # the CRM is told when it may be written to again
            end = await self._followed_up(delivery_id)
        await self._deliveries.end(delivery_id, end)
        return end

    async def _look_up(self, delivery_id: str) -> Json:
        """What is known now. `fate` when it is decided already, `left` when it is not ours."""
        delivery = await self._deliveries.get(delivery_id)
        if delivery.state is DeliveryState.SENT:
            return seen_of(Fate(outcome=Outcome.DONE))
        unknown = delivery.state is DeliveryState.UNKNOWN
        if self._mode is Mode.SHADOW and not unknown:
            return seen_of(left=True)
        known = Fate(outcome=Outcome.UNKNOWN, reasons=delivery.reasons) if unknown else None
        with working_on(delivery):
            try:
                letter = await self._letters.of(delivery)
                views = await self._views(letter)
            except NotFound as error:
                gone = Reason(code="decision_gone", text=error.message)
                return seen_of(known or Fate(outcome=Outcome.REFUSED, reasons=(gone,)))
            except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
                late = later(error, self._clock())
                return seen_of(known or late)
        return seen_of(known, *views, at=self._clock())

    async def _views(self, letter: Letter) -> tuple[CrmView, OutreachView, Recollection | None]:
        lead, facts = letter.dossier.lead, letter.dossier.facts
        parent = facts.get("parent_domain")
        domains = [lead.domain, str(parent.value) if parent else None]
        known = tuple(domain for domain in domains if domain)
        crm, outreach, memory = await asyncio.gather(
            self._children.call(
                ghl.SERVER, ghl.LOOK_UP_LEAD, ghl.LookUpLead(email=letter.to, domains=known)
            ),
            self._children.call(
                instantly.SERVER,
                instantly.LOOK_UP_ADDRESS,
                instantly.LookUpAddress(email=letter.to),
            ),
            self._recall(letter),
        )
        return crm.crm, outreach.outreach, memory

    async def _recall(self, letter: Letter) -> Recollection | None:
        """They may have opted out elsewhere since the decision. Never fails."""
        if self._recaller is None:
            return None
        return await self._recaller.recall(
            letter.dossier.lead.model_copy(update={"email": letter.to})
        )

    async def _send(self, delivery_id: str, seen: Json) -> Json:
        """Ask leave and send; once more when a server died before anything was sent."""
        delivery = await self._deliveries.get(delivery_id)
        if delivery.state is DeliveryState.REFUSED:  # given up while it was looked up
            return as_json(Fate(outcome=Outcome.REFUSED, reasons=delivery.reasons))
        with working_on(delivery):
            letter = await self._letters.of(delivery)
            if stale(seen, self._clock()):
                seen = await self._look_up(delivery_id)
                if seen["left"] or fate_of(seen) is not None:
                    waits = Fate(outcome=Outcome.LATER, reasons=(lowered(),))
                    return as_json(fate_of(seen) or waits)
            fate = await self._sent(letter, seen)
            if fate.outcome is Outcome.LATER and died(fate.reasons):
                fate = await self._sent(letter, seen)
        return as_json(fate)

    async def _sent(self, letter: Letter, seen: Json) -> Fate:
        message = await self._message(letter, seen)
        if isinstance(message, Fate):
            return message
        asked = guardrails.AuthorizeSend(
            decision_audit_id=letter.delivery_id,
            intent=message.args.intent(),
            crm=CrmView.model_validate_json(seen["crm"]),
            outreach=OutreachView.model_validate_json(seen["outreach"]),
            # A look-up from before the memory was asked here holds no word of it.
            memory=Recollection.model_validate_json(said) if (said := seen.get("memory")) else None,
        )
        return await self._writer.send(asked, message.server, message.spec, message.args)

    async def _message(
        self, letter: Letter, seen: Json, *, to_look: bool = False
    ) -> Message | Fate:
        make = self._post.as_sent if to_look else self._post.message
        crm = CrmView.model_validate_json(seen["crm"])
        channel = await self._deliveries.choose(letter.delivery_id, channel_for(crm))
        try:
            return await make(letter, channel, crm)
        except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
            return later(error, self._clock())

    async def _reconcile(self, delivery_id: str, seen: Json) -> Json:
        """Read the vendor. Only "it is there" counts; anything else is for a person."""
        delivery = await self._deliveries.get(delivery_id)
        unknown = Fate(outcome=Outcome.UNKNOWN, reasons=delivery.reasons)
        if seen["crm"] is None:
            return as_json(unknown)
        with working_on(delivery):
            letter = await self._letters.of(delivery)
            row = await self._writer.recorded(letter.key)
            if row is not None and (known := ended(row)) is not None:
                return as_json(known)  # a person, or a late answer, has said it meanwhile
            message = await self._message(letter, seen, to_look=True)
            if isinstance(message, Fate):
                return as_json(unknown)
            try:
                found = await self._children.call(
                    message.server, message.reconcile, message.reconcile_args
                )
            except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
                later(error, self._clock())  # raises what concerns all
                return as_json(unknown)
        if found.verdict == "done":
            return as_json(Fate(outcome=Outcome.DONE, vendor_ref=found.vendor_ref))
        return as_json(
            Fate(outcome=Outcome.UNKNOWN, reasons=(looked(found.verdict, found.detail),))
        )

    async def _followed_up(self, delivery_id: str) -> Ended:
        contact = await self._step("contact", delivery_id, None)
        fates = {"contact": contact}
        if contact.outcome is Outcome.DONE and contact.vendor_ref is not None:
            for name in ("tags", "note", "opportunity"):
                fates[name] = await self._step(name, delivery_id, contact.vendor_ref)
        reasons = tuple(not_told(name, fate) for name, fate in fates.items() if not told(fate))
        again = any(fate.outcome in {Outcome.LATER, Outcome.UNKNOWN} for fate in fates.values())
        until = self._clock() + timedelta(seconds=_FOLLOW_UP_S) if again else None
        return Ended(DeliveryState.SENT, reasons, until)

    async def _step(self, name: str, delivery_id: str, contact_id: str | None) -> Fate:
        done = await self._engine.step(f"crm_{name}", self._follow, name, delivery_id, contact_id)
        fate = fate_of(done)
        assert fate is not None
        return fate

    async def _follow(self, name: str, delivery_id: str, contact_id: str | None) -> Json:
        delivery = await self._deliveries.get(delivery_id)
        with working_on(delivery):
            letter = await self._letters.of(delivery)
            if contact_id is None:
                return as_json(await self._follow_up.contact(letter))
            match name:
                case "tags":
                    return as_json(await self._follow_up.tags(letter, contact_id))
                case "note":
                    channel = delivery.channel or ""
                    return as_json(await self._follow_up.note(letter, contact_id, channel))
                case _:
                    return as_json(await self._follow_up.opportunity(letter, contact_id))
