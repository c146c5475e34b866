"""People who were really decided about and written to, for vendors to tell things of."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from guardrails.approvals import Approvals
from guardrails.audit import AuditLog
from guardrails.bank import Bank
from guardrails.clock import iso
from guardrails.identity import recipient_hash, subject_hash
from guardrails.lesson_folding import fold_pending, pending_count
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.store.people_tables import lessons, outcomes
from guardrails.store.tables import run_items, suppressions
from guardrails.store.write_tables import deliveries, sending_pauses, writes
from orchestrator.deliveries import queue
from orchestrator.outcomes import Handled, Outcomes
from tests.conftest import SteppableClock
from tests.decision_samples import DRAFT, SENDER, dossier, new_bank
from tests.guardrails.authorize_samples import Desk, Review, in_mode

CAMPAIGN = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Person:
    """Somebody we wrote to. `delivery_id` is the audit id of the decision."""

    email: str
    lead_id: str
    delivery_id: str

    @property
    def key(self) -> str:
        return f"send:{self.delivery_id}"


@dataclass
class Stage:
    """The handler over a real store, audit and bank."""

    store: Store
    clock: SteppableClock
    desk: Desk
    audit: AuditLog
    bank: Bank
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    approvals: Approvals | None = None
    approver_is_quicker: bool = False  # says yes just before it is withdrawn

    @classmethod
    def of(cls, hive: Any, store: Store, clock: SteppableClock) -> Stage:
        audit = AuditLog(hive, store, clock)
        bank = new_bank(hive, clock)
        return cls(store, clock, Desk(hive, store, clock, audit, bank), audit, bank)

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(
            self.store,
            self.audit,
            self.desk.hive.salt(),
            in_mode(Mode.LIVE),
            self.clock,
            withdraw=self._withdraw,
            fold=lambda: fold_pending(self.store, self.bank, self.desk.hive, self.clock),
            tell=self._tell,
        )

    async def _withdraw(self, lead_id: str, reason_code: str) -> object:
        self.withdrawn.append((lead_id, reason_code))
        if self.approver_is_quicker:
            self.waits(Person("", lead_id, "A-approved"))
        return None

    def _tell(self, conn: Connection, key: str, text: str, at: datetime) -> object:
        self.told[key] = text
        return None

    def wrote_to(
        self, email: str, *, vendor: str = "instantly", status: str = "sent", run: str = "run-1"
    ) -> Person:
        """Decide about somebody, and enter the e-mail to them as `status`."""
        whole = dossier(lead={"email": email})
        decision = asyncio.run(self.desk.gate.review(Review(run_id=run, dossier=whole)))
        salt, now = self.desk.hive.salt(), iso(self.clock())
        row = dict.fromkeys((column.name for column in writes.columns), None) | {
            "key": f"send:{decision.audit_id}",
            "vendor": vendor,
            "action": "enrol_lead" if vendor == "instantly" else "send_email",
            "recipient_hash": recipient_hash(salt, email),
            "content_hash": "0" * 64,
            "status": status,
            "counts": True,
            "lead_id": decision.lead_id,
            "run_id": run,
            "decision_audit_id": decision.audit_id,
            "mailbox_hash": subject_hash(salt, SENDER.email),
            "claimed_at": now,
            "dispatched_at": now,
            "created_at": now,
            "updated_at": now,
        }
        item = {
            "run_id": run,
            "row": abs(hash(email)) % 10**6,
            "lead_id": decision.lead_id,
            "state": "ready",
            "lead": whole.lead.model_dump_json(),
            "updated_at": now,
        }
        with self.store.transaction() as conn:
            conn.execute(writes.insert().values(row))
            conn.execute(run_items.insert().values(item))
        return Person(email, decision.lead_id, decision.audit_id)

    def waits(self, person: Person) -> None:
        """A further e-mail to them waits to go out."""
        with self.store.transaction() as conn:
            queue(conn, f"{person.delivery_id}-2", person.lead_id, "run-1", 9, iso(self.clock()))

    def came(self, source: str, body: dict[str, Any], **more: Any) -> Handled:
        """A delivery, received now."""
        at = more.pop("received_at", self.clock())
        return asyncio.run(self.outcomes.handle(source, body, at, **more))

    def instantly(self, name: str, who: Person | str, **more: Any) -> Handled:
        """An event of Instantly, that happened now."""
        return self.came("instantly", instantly(name, who, self.clock(), **more))

    def rows(self, table: Any) -> list[dict[str, Any]]:
        with self.store.read() as conn:
            return [dict(row) for row in conn.execute(select(table)).mappings()]

    def delivery(self, person: Person) -> tuple[str, str | None]:
        (row,) = (row for row in self.rows(deliveries) if row["lead_id"] == person.lead_id)
        return row["state"], row["not_before"]

    def suppressed(self) -> dict[str, str]:
        return {row["subject_hash"]: row["reason"] for row in self.rows(suppressions)}

    def pauses(self) -> dict[str, str]:
        return {row["scope"]: row["until"] for row in self.rows(sending_pauses)}

    def lessons(self) -> list[dict[str, Any]]:
        return self.rows(lessons)

    def waiting(self) -> int:
        with self.store.read() as conn:
            return pending_count(conn, self.desk.hive.chain_id())

    def outcome(self) -> dict[str, Any]:
        (row,) = self.rows(outcomes)
        return row


def instantly(name: str, who: Person | str, at: datetime, **more: Any) -> dict[str, Any]:
    """A webhook body of Instantly as documented, with the lead's variables merged in."""
    email = who if isinstance(who, str) else who.email
    body = {
        "timestamp": at.isoformat(),
        "event_type": name,
        "workspace": "w",
        "campaign_id": CAMPAIGN,
        "campaign_name": "Swarm first e-mails",
        "lead_email": email,
        "email_account": SENDER.email,
        "swarm_subject": DRAFT.subject,
    }
    if isinstance(who, Person):
        body["swarm_key"] = who.key
    return body | more
