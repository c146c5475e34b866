"""A recorded decision, judged again as things are now. Owns: reading it back, and today's checks.

The same rules as at the review, over the recorded inputs with what the vendors, the suppression
list, the bank and the clock say now; the recipient's hours after them. Refuses to fill a gap:
inputs that were erased, or a view that nobody could get, let nothing go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.authorize_approval import PersonsWord, covered, read_word
from guardrails.authorize_checks import Decided, blocked, passed, sending_window
from guardrails.authorize_rules import Purpose, require_leave
from guardrails.bank import Bank, consult_slice
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock, iso
from guardrails.coherence import other_ids
from guardrails.config import Config
from guardrails.documents import Document, load
from guardrails.errors import BadInput, NotFound, Stopped
from guardrails.gate import pattern_of
from guardrails.gathering import hashes_of, snapshot, subjects
from guardrails.hive import Hive
from guardrails.model import (
    BankAnswer,
    Check,
    CrmView,
    Dossier,
    OutreachView,
    Recollection,
    Verdict,
)
from guardrails.outcomes import RULES
from guardrails.policy import CompiledPolicy, GateInputs, PolicyDocument, evaluate, verdict_of
from guardrails.schedule import next_send, window_zones
from guardrails.store import Store
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import writes

# Whoever waits for anything is let go by these, so nothing new goes out to them either.
_ANSWERS = [kind.value for kind, rule in RULES.items() if rule.leaves is not None]


@dataclass(frozen=True)
class Judged:
    """Today's checks, what they were made from, and when the recipient's hours are next."""

    checks: list[Check]
    inputs: Document
    bank_version: str
    opens: datetime | None


class Afresh:
    """Reads decisions back and judges them again."""

    def __init__(
        self,
        config: Config,
        hive: Hive,
        store: Store,
        audit: AuditLog,
        bank: Bank,
        stop: StopSwitch,
        clock: Clock,
        approvers: ApproverList,
    ) -> None:
        self._approvers = approvers
        self._salt = hive.salt()
        self._store = store
        self._audit = audit
        self._bank = bank
        self._stop = stop
        self._clock = clock
        self._policy = CompiledPolicy(PolicyDocument.of(config))
        self._permit_life = timedelta(seconds=config.production.delivery.permit_seconds)

    @property
    def recent_contact_days(self) -> int:
        """Within so many days nobody gets another first e-mail."""
        return self._policy.who.recent_contact_days

    async def decided(self, audit_id: str | None) -> Decided:
        """The review under this audit id (no other name will do), with its inputs.

        Raises:
            AuditBroken: record or inputs are not what was recorded.
            BadInput: the inputs are of another version.
            StoreUnavailable: they cannot be read.
        """
        return await asyncio.to_thread(self._read, audit_id)

    async def persons_word(self, decided: Decided) -> PersonsWord | None:
        """A person's word on this decision; None when it needs none.

        Raises:
            StoreUnavailable, AuditBroken: nobody can tell.
        """
        return await asyncio.to_thread(
            read_word, self._store, self._audit, self._approvers, decided
        )

    async def judge(
        self,
        decided: Decided,
        crm: CrmView | None,
        outreach: OutreachView | None,
        memory: Recollection | None,
        *,
        approved: bool,
    ) -> Judged:
        """Every policy check now; the window too, when they all pass.

        Args:
            memory: what the long-term memory knows; when it is silent, what it knew still counts.
            approved: a person said yes: the reasons for review that they saw are answered.

        Raises:
            Stopped, StoreUnavailable, BankUnreadable: nothing can be judged.
        """
        views: dict[str, Any] = {"crm": crm, "outreach": outreach}
        if memory is not None and memory.answered:
            views["memory"] = memory
        inputs, answer = await self._inputs(decided.inputs, views)
        checks, opens = evaluate(inputs, self._policy, answer), None
        if approved:
            checks = covered(checks, decided)
        if verdict_of(checks) is Verdict.PASS:
            opens = self._opens(inputs)
            checks.append(sending_window(opens, inputs.now))
        kept = Document.of("decision_inputs", inputs, inputs.dossier.lead.lead_id)
        return Judged(checks, kept, inputs.bank_version, opens)

    async def require_running(self) -> None:
        """Raises Stopped, StoreUnavailable."""
        state = await self._store.query(self._stop.state_in)
        if state.stopped:
            raise Stopped(f"the swarm is stopped: {state.reason}")

    async def require_leave(self, action: str, purpose: Purpose) -> None:
        """See `authorize_rules.require_leave`. Raises Stopped, Refused, StoreUnavailable."""
        require_leave(await self._store.query(self._stop.state_in), action, purpose)

    async def answered(self, dossier: Dossier) -> Check:
        """Whether they answered lately, also while this was decided: a person has them now.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        lead = dossier.lead
        since = iso(self._clock() - timedelta(days=self.recent_contact_days))
        ids = [lead.lead_id, *other_ids(lead, self._salt)]
        # Also under the id of a profile for which this address was found.
        addresses = hashes_of([lead.email or ""], self._salt)
        written = select(writes.c.lead_id).where(writes.c.recipient_hash.in_(addresses))
        asked = (
            select(func.count())
            .select_from(outcomes)
            .where(
                outcomes.c.lead_id.in_(ids) | outcomes.c.lead_id.in_(written),
                outcomes.c.kind.in_(_ANSWERS),
                outcomes.c.at >= since,
            )
        )
        if await self._store.query(lambda conn: conn.execute(asked).scalar_one()):
            days = self.recent_contact_days
            text = f"Within {days} days they answered, met us, bought or bounced."
            return blocked("answered", "answered", text, "a person writes to them")
        return passed("answered", f"No answer of theirs in {self.recent_contact_days} days.")

    async def suppression(self, dossier: Dossier) -> str | None:
        """Why person or company is suppressed, if it is. Raises Stopped, StoreUnavailable."""
        hashes = subjects(dossier, self._salt)
        known = await self._store.query(lambda conn: snapshot(conn, self._stop, hashes, ""))
        if known.stopped is not None:
            raise Stopped(f"the swarm is stopped: {known.stopped}")
        return known.suppression

    async def _inputs(
        self, recorded: GateInputs | None, views: Mapping[str, Any]
    ) -> tuple[GateInputs, BankAnswer]:
        if recorded is None or recorded.draft is None:
            raise BadInput("a decision without a draft lets nothing go out")
        dossier = recorded.dossier.model_copy(update=views)
        suppression = await self.suppression(dossier)
        pattern = pattern_of(dossier, recorded.draft)
        others = other_ids(dossier.lead, self._salt)
        part = self._bank.slice_for(pattern.model_copy(update={"also_known_as": others}))
        now = self._clock()
        answer = consult_slice(part, pattern, self._policy.bank, now)
        changed = {
            "dossier": dossier,
            "now": now,
            "suppression": suppression,
            "bank_slice": part,
            "bank_version": answer.bank_version,
        }
        return recorded.model_copy(update=changed), answer

    def _opens(self, inputs: GateInputs) -> datetime | None:
        zones = window_zones(inputs.dossier.lead, inputs.dossier.facts, inputs.now)
        if not zones:
            return None
        window = self._policy.window
        opens = next_send(inputs.now, zones, window)
        if opens is None or opens > inputs.now:
            return opens
        # It may leave at any moment until its permit is over: the hours must last as long.
        latest = inputs.now + self._permit_life
        then = next_send(latest, zones, window)
        return opens if then == latest else then

    def _read(self, audit_id: str | None) -> Decided:
        record = self._audit.find(audit_id) if audit_id else None
        if record is None or record["kind"] != "review" or record["audit_id"] != audit_id:
            return Decided(None, None)
        try:
            return Decided(record, load(self._store, record["body"]["inputs_digest"], GateInputs))
        except NotFound:
            return Decided(record, None)
