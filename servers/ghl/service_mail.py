"""E-mail by a conversation, and what became of writes. Owns: to whom it may go, and what is proof.

Refuses: anybody on DND, a contact whose address is not the one that was approved, and to say "it
did not happen" before the vendor had time to show it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from guardrails.clock import Clock
from guardrails.errors import BadInput, NotFound, Refused, VendorUnavailable
from guardrails.identity import normalise_email
from guardrails.ledger_rows import LedgerRow, Status
from guardrails.model.writes import WriteIntent
from servers.ghl.contract_form import WriteResult, concerning
from servers.ghl.contract_mail import Reconciled, ReconcileSend, ReconcileWrite, SendEmail
from servers.ghl.crm import CrmRecords, Mail
from servers.ghl.mail import plain_words, words_of
from servers.ghl.service import Crm
from servers.ghl.service_contacts import marked
from servers.ghl.service_writes import Doorkeeper, Steps, Writer

SETTLED = timedelta(minutes=15)  # after this, what the vendor does not show was not done
_SKEW = timedelta(minutes=5)
_SHOWN = "the vendor shows it"


class Records(Doorkeeper, Protocol):
    """What we need of `gate.Gate`."""

    def concerns(self, row: LedgerRow, recipient: str) -> bool:
        """Whether the row is about this recipient."""

    def require_same(self, row: LedgerRow, intent: WriteIntent) -> None:
        """Raises Refused when the row stands for another write."""


class MailTools:
    """send_email and the two ways to reconcile.

    Args:
        look_ups: the strict reading of DND; see `service.Crm`.
    """

    def __init__(
        self, crm: CrmRecords, look_ups: Crm, writer: Writer, records: Records, clock: Clock
    ) -> None:
        self._crm = crm
        self._look_ups = look_ups
        self._writer = writer
        self._records = records
        self._clock = clock

    async def send_email(self, args: SendEmail) -> WriteResult:
        """Send it, once. `vendor_ref` is the message's id."""
        begun = self._clock()

        async def before() -> str | None:
            await self._require_reachable(args)
            return None

        async def shown() -> str | None:
            mails = await self._crm.mails_since(args.contact_id, begun - _SKEW)
            same = [mail for mail in mails.mails if is_mail(args, mail)]
            return same[0].id if same else None

        return await self._writer.do(args, Steps(before, shown))

    async def reconcile_send(self, args: ReconcileSend) -> Reconciled:
        """Whether the conversation shows this e-mail since it was dispatched."""
        row, since = await self._in_doubt(args.key)
        self._records.require_same(row, args.intent())
        if row.status is Status.SENT:
            return Reconciled(verdict="done", vendor_ref=row.vendor_ref, detail="on record")
        found = await self._crm.mails_since(args.contact_id, since - _SKEW)
        for mail in found.mails:
            if is_mail(args, mail):
                await self._records.settle(args.key, "sent", _SHOWN, mail.id)
                return Reconciled(verdict="done", vendor_ref=mail.id, detail=_SHOWN)
        if any(_alike(args, mail) for mail in found.mails):
            return _unclear("there is an e-mail with this subject and another text")
        if not found.complete:
            return _unclear("the conversation is longer than is read")
        return self._absent(row, since)

    async def reconcile_write(self, args: ReconcileWrite) -> Reconciled:
        """Whether the vendor shows the note, task or opportunity."""
        row, since = await self._in_doubt(args.key)
        if row.action.value != args.action or not self._records.concerns(
            row, concerning(args.contact_id)
        ):
            raise Refused(f"{args.key} stands for another write")
        if row.status is Status.SENT:
            return Reconciled(verdict="done", vendor_ref=row.vendor_ref, detail="on record")
        ref = await self._made(args)
        if ref is None:
            return self._absent(row, since)
        await self._records.settle(args.key, "sent", _SHOWN, ref)
        return Reconciled(verdict="done", vendor_ref=ref, detail=_SHOWN)

    async def _made(self, args: ReconcileWrite) -> str | None:
        if args.action == "add_note":
            return marked(await self._crm.notes(args.contact_id), args.key)
        if args.action == "create_task":
            return marked(await self._crm.tasks(args.contact_id), args.key)
        if args.pipeline_id is None:
            raise BadInput("pipeline_id is needed to look for an opportunity")
        found = await self._crm.opportunities(args.contact_id, args.pipeline_id)
        return found[0].id if found else None

    async def _in_doubt(self, key: str) -> tuple[LedgerRow, datetime]:
        row = await self._records.row(key)
        if row is None:
            raise NotFound(f"no write under {key!r}", remedy="`swarm sends unknown` lists them.")
        if row.status not in (Status.UNKNOWN, Status.DISPATCHING, Status.SENT):
            raise BadInput(
                f"{key} is {row.status}: its fate is known",
                remedy="Only a write that may have happened can be reconciled.",
            )
        return row, row.dispatched_at or row.created_at

    def _absent(self, row: LedgerRow, since: datetime) -> Reconciled:
        if row.status is Status.DISPATCHING:
            return _unclear("it may be on its way at this moment")
        if self._clock() - since < SETTLED:
            return _unclear(
                f"not shown, and too early: ask again after {since + SETTLED:%H:%M} UTC"
            )
        return Reconciled(
            verdict="not_done",
            detail="The vendor does not show it. A person decides with `swarm sends resolve`.",
        )

    async def _require_reachable(self, args: SendEmail) -> None:
        held = await self._look_ups.contacts_with(args.to)
        if any(contact.dnd_email for contact in held):
            raise Refused("DND is on for this person: nothing was sent")
        if not held:
            # The card decides whether it is the wrong contact or an index that lags behind.
            card = await self._crm.card(args.contact_id)
            if card.email is not None and _normal(card.email) == args.to:
                raise VendorUnavailable(
                    "ghl: the search does not show this contact yet, so its DND is not known",
                    vendor="ghl",
                    operation="search_contacts",
                )
            raise Refused("the contact's address is not the recipient's: nothing was sent")
        mine = next((contact for contact in held if contact.id == args.contact_id), None)
        if mine is None or mine.emails[:1] != (args.to,):
            raise Refused("the contact's address is not the recipient's: nothing was sent")


def is_mail(args: SendEmail | ReconcileSend, mail: Mail) -> bool:
    """Whether `mail` is the one: recipient, subject and every word of the body."""
    body = plain_words(args.body)
    shown = (words_of(mail.body), plain_words(mail.body))
    return _alike(args, mail) and any(body in words for words in shown)


def _alike(args: SendEmail | ReconcileSend, mail: Mail) -> bool:
    to = {_normal(address) for address in mail.to}
    return args.to in to and plain_words(mail.subject) == plain_words(args.subject)


def _normal(address: str) -> str | None:
    try:
        return normalise_email(address.rpartition("<")[2].strip("> "))
    except BadInput:
        return None


def _unclear(why: str) -> Reconciled:
    return Reconciled(verdict="inconclusive", detail=f"{why}.")
