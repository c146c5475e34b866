"""Sending by Instantly: one person, one approved e-mail. Owns: what must be so before a lead is
enrolled, and when it counts as sent.

A campaign can be changed by anybody with a browser: so it is read before each enrolment, and one
that renders anything but the approved text, from any but the approved mailbox, is refused.
"""

from __future__ import annotations

from datetime import timedelta

from guardrails.clock import Clock
from guardrails.ledger import Status
from servers.instantly.campaign_form import form_problems, senders
from servers.instantly.contract_reads import (
    CampaignLead,
    LeadPage,
    ListLeads,
    Reconciled,
    ReconcileEnrol,
)
from servers.instantly.contract_text import BODY_VARIABLE, KEY_VARIABLE, SUBJECT_VARIABLE
from servers.instantly.contract_writes import EnrolLead, WriteResult
from servers.instantly.forms import variables
from servers.instantly.ports import Book, CampaignRecord, HeldLead, Platform
from servers.instantly.service_writes import NotOurs, Writer, is_done, is_open, unknown

SETTLED = timedelta(minutes=5)  # after that long, a lead that is not listed was not added
_RENDERED = (SUBJECT_VARIABLE, BODY_VARIABLE, KEY_VARIABLE)


class LeadService:
    """Enrol, reconcile, list."""

    def __init__(self, platform: Platform, book: Book, writer: Writer, clock: Clock) -> None:
        self._platform = platform
        self._book = book
        self._writer = writer
        self._clock = clock

    async def enrol_lead(self, args: EnrolLead) -> WriteResult:
        """Enrol the person, once; `sent` when the lead is read back with this very content.

        Raises:
            Refused: the campaign is not running or not as it shall be, or the address is in it
                with other content; nothing was written.
            VendorError, Stopped, StoreUnavailable: see `Writer.perform`.
        """
        row = await self._writer.row(args)
        if row is not None and is_done(row):
            return WriteResult(
                status="already", vendor_ref=row.vendor_ref, detail="sent under this key before"
            )
        ours, others = await self._held(args)
        if ours is not None:
            return await self._writer.already(args, ours.id, "the lead is in the campaign already")
        if is_open(row):
            return unknown("it may have been enrolled, and the campaign does not show it")
        if others:
            raise await self._writer.refuse(args, *_TAKEN)
        record = await self._platform.campaign(args.campaign_id)
        if why := _unfit(record, args):
            raise await self._writer.refuse(args, *why)
        return await self._writer.perform(args, lambda _: self._seen(args))

    async def reconcile_enrol(self, args: ReconcileEnrol) -> Reconciled:
        """What became of an enrolment, by the campaign's leads.

        Raises:
            Refused: the key stands for another write.
            VendorError: the vendor could not be asked.
        """
        enrol = EnrolLead(**args.model_dump(), permit="")
        row = await self._writer.row(enrol)
        if row is None or row.status is Status.PENDING:
            return Reconciled(verdict="not_done", detail="it was never dispatched")
        ours, others = await self._held(enrol)
        if ours is not None:
            await self._book.end(args.key, "sent", vendor_ref=ours.id, note="found at the vendor")
            return Reconciled(verdict="done", vendor_ref=ours.id)
        if any(other.variables.get(KEY_VARIABLE) == args.key for other in others):
            return Reconciled(
                verdict="inconclusive", detail="the lead is there, and its text is not ours"
            )
        since = row.dispatched_at
        if since is None or self._clock() - since < SETTLED:
            return Reconciled(verdict="inconclusive", detail="too early: lists may lag")
        return Reconciled(verdict="not_done", detail="the campaign has no such lead")

    async def list_leads(self, args: ListLeads) -> LeadPage:
        """One page of a campaign's leads."""
        held, following = await self._platform.lead_page(args.campaign_id, args.cursor, args.limit)
        leads = (
            CampaignLead(
                id=one.id,
                email=one.email,
                status=one.status,
                interest=one.interest,
                key=key if isinstance(key := one.variables.get(KEY_VARIABLE), str) else None,
            )
            for one in held
        )
        return LeadPage(leads=tuple(leads), next_cursor=following)

    async def _held(self, args: EnrolLead) -> tuple[HeldLead | None, tuple[HeldLead, ...]]:
        """Our lead in this campaign, and others with the same address."""
        held = await self._platform.leads_in(args.campaign_id, args.email)
        wanted = variables(args)
        same = [
            one
            for one in held
            if all(one.variables.get(name) == wanted[name] for name in _RENDERED)
        ]
        return (same[0] if same else None), tuple(one for one in held if one not in same)

    async def _seen(self, args: EnrolLead) -> str | None:
        ours, others = await self._held(args)
        if ours is not None:
            return ours.id
        if others and all(one.variables.get(KEY_VARIABLE) != args.key for one in others):
            raise NotOurs(_TAKEN[0], remedy=_TAKEN[1])  # skipped, and answered 200
        return None


_TAKEN = (
    "the address is in this campaign already, with other content: it was not enrolled",
    "Look at the lead at Instantly. A later touch goes by a campaign of its own.",
)


def _unfit(record: CampaignRecord, args: EnrolLead) -> tuple[str, str] | None:
    """Why nobody may be enrolled in it, and what to do; None when it is as it shall be."""
    problems = form_problems(record.document)
    if problems:
        listed = "; ".join(problems)
        return f"the campaign is not as it shall be: {listed}", "Mend it at Instantly."
    if senders(record.document) != (args.sender.casefold(),):
        return "the campaign sends from another mailbox than the approved one", "Use that one's."
    if record.shown.status != "active":
        stands = record.shown.status
        return f"the campaign is {stands}: it would not send", "activate_campaign starts it."
    return None
