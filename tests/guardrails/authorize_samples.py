"""A real gate and authorizer over a hive, in live mode, for tests to spoil one thing at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.authorize import Authorizer
from guardrails.authorize_model import Authorization
from guardrails.bank import Bank
from guardrails.brakes.stop import StopSwitch
from guardrails.config import Config, load_config
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.ledger import Ledger, LedgerRow
from guardrails.model import (
    CrmView,
    Decision,
    Dossier,
    Draft,
    Mode,
    OutreachView,
    Qualification,
    Reason,
    Recollection,
    Sender,
    WriteAction,
    WriteIntent,
)
from guardrails.permits import Bound, Permit, PermitCheck
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.decision_samples import CONFIG, DOSSIER, DRAFT, QUALIFICATION, SENDER

EMAIL = str(DOSSIER.lead.email)
CONTACT = "c-ana"
KNOWN = CrmView(contact_id=CONTACT)
CONFIGURED = load_config(CONFIG)


@dataclass(frozen=True)
class Review:
    """What the gate is asked."""

    run_id: str = "run-1"
    dossier: Dossier = DOSSIER
    qualification: Qualification | None = QUALIFICATION
    draft: Draft | None = DRAFT
    notes: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Send:
    """What authorize_send is asked."""

    decision_audit_id: str
    intent: WriteIntent
    crm: CrmView | None = KNOWN
    outreach: OutreachView | None = field(default_factory=OutreachView)
    memory: Recollection | None = None


@dataclass(frozen=True)
class Write:
    """What authorize_write is asked."""

    key: str
    intent: WriteIntent
    lead_id: str | None = None
    run_id: str | None = None
    decision_audit_id: str | None = None


def in_mode(mode: Mode, **limits: int) -> Config:
    """The repository's configuration in this mode, with some sending limits replaced."""
    production = CONFIGURED.production
    given = production.sending_limits.model_copy(update=limits)
    changed = production.model_copy(update={"mode": mode, "sending_limits": given})
    return CONFIGURED.model_copy(update={"production": changed})


def conversation(**changes: Any) -> WriteIntent:
    """The decided e-mail by a GHL conversation; keyword arguments replace parts of its content."""
    content = {
        "contact_id": CONTACT,
        "sender": SENDER.email,
        "subject": DRAFT.subject,
        "body": DRAFT.body,
    }
    recipient = changes.pop("recipient", EMAIL)
    return WriteIntent(
        vendor="ghl",
        action=WriteAction.SEND_EMAIL,
        recipient=recipient,
        content=content | changes,
    )


def enrolment(key: str, **changes: Any) -> WriteIntent:
    """The decided e-mail by an Instantly campaign."""
    content = {
        "key": key,
        "campaign_id": "4a1b",
        "sender": SENDER.email,
        "subject": DRAFT.subject,
        "body": DRAFT.body,
    }
    return WriteIntent(
        vendor="instantly",
        action=WriteAction.ENROL_LEAD,
        recipient=changes.pop("recipient", EMAIL),
        content=content | changes,
    )


def note(text: str = "We wrote to them.") -> WriteIntent:
    """A note at the contact."""
    return WriteIntent(
        vendor="ghl",
        action=WriteAction.ADD_NOTE,
        recipient=f"contact:{CONTACT}",
        content={"text": text},
    )


class Desk:
    """Everything that authorizes, over one hive and store."""

    def __init__(
        self,
        hive: Hive,
        store: Store,
        clock: SteppableClock,
        audit: AuditLog,
        bank: Bank,
        config: Config | None = None,
        sender: Sender | None = SENDER,
        ledger: type[Ledger] = Ledger,
    ) -> None:
        self.hive, self.store, self.clock, self.audit, self.bank = hive, store, clock, audit, bank
        self.config = config or in_mode(Mode.LIVE)
        self.stop = StopSwitch(hive, store)
        self.ledger = ledger.of(self.config.production, store, clock, hive.salt())
        self.gate = Gate(
            self.config, hive, store, audit, bank, self.stop, clock, sender=sender or SENDER
        )
        self.approvers = self.approvers_of(hive)
        self.authorizer = Authorizer(
            self.config,
            hive,
            store,
            audit,
            bank,
            self.stop,
            clock,
            self.ledger,
            sender=sender,
            approvers=self.approvers,
        )

    def approvers_of(self, hive: Hive) -> ApproverList:
        """Who may approve here."""
        return ApproverList.of(self.config.approvers, (), hive.salt())

    def under(self, config: Config, sender: Sender | None = SENDER) -> Desk:
        """The same hive under another configuration."""
        return Desk(self.hive, self.store, self.clock, self.audit, self.bank, config, sender)

    async def decided(self, **changes: Any) -> Decision:
        return await self.gate.review(Review(**changes))

    async def send(self, decision: Decision, intent: Any = None, **views: Any) -> Authorization:
        """Leave for the decided e-mail, by a conversation unless another intent is given."""
        asked = Send(decision.audit_id, intent or conversation(), **views)
        return await self.authorizer.send(asked)

    async def write(self, key: str, intent: WriteIntent, **about: Any) -> Authorization:
        return await self.authorizer.write(Write(key, intent, **about))

    async def spend(self, given: Authorization, intent: WriteIntent) -> Permit:
        """Spend the permit and dispatch, as the process that writes does it."""
        assert given.permit is not None
        bound = Bound.to(
            intent,
            given.key,
            self.config.production.mode,
            self.gate.policy_version,
            self.hive.salt(),
        )
        check = PermitCheck(self.hive, self.store, self.stop, self.clock, "ghl")
        return await check.verify_and_spend(
            given.permit,
            bound,
            also=lambda conn, permit: self.ledger.dispatch(conn, given.key, permit),
        )

    async def end(self, key: str, status: Any) -> LedgerRow:
        row = await self.row(key)
        permit_id = row.permit_id if row else None
        return await self.store.run(
            lambda conn: self.ledger.end(conn, key, status, permit_id=permit_id)
        )

    async def row(self, key: str) -> LedgerRow | None:
        return await self.ledger.recorded(key)

    def records(self, kind: str = "authorize") -> list[dict[str, Any]]:
        """Every audit record of this kind, from the files."""
        lines = [
            json.loads(line)
            for file in sorted(self.hive.audit_dir.glob("*.jsonl"))
            for line in file.read_text("utf-8").splitlines()
        ]
        return [line for line in lines if line["kind"] == kind]


def codes(given: Authorization) -> list[str]:
    """The reasons' codes."""
    return [reason.code for reason in given.reasons]
