"""The one door. Owns: the order in which a decision is made, and that it is on record first.

stop → who → consent → look-ups → content → claims → outside text → bank → audit. Whatever cannot
be read ends in an error, never in a pass: no database, no bank, no audit, no decision (P2, P6).
Approvals and permits are not wired yet: a passing decision says what may happen, and nothing is
minted, in no mode. Refuses to decide the same draft twice: the recorded decision is returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from guardrails.audit import AuditEntry, AuditLog, AuditRef
from guardrails.bank import Bank, Pattern, consult_slice
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock, iso
from guardrails.coherence import check_draft, check_lead, other_ids
from guardrails.config import Config
from guardrails.config.loader import policy_version
from guardrails.decisions import decision_of, intake_body, review_body
from guardrails.documents import Document, keep
from guardrails.errors import AuditBroken, Stopped
from guardrails.gathering import Known, snapshot, subjects
from guardrails.hive import Hive
from guardrails.model import (
    BankAnswer,
    Decision,
    Dossier,
    Draft,
    LeadState,
    Qualification,
    Reason,
    Sender,
    digest,
)
from guardrails.policy import CompiledPolicy, GateInputs, PolicyDocument, evaluate
from guardrails.store import Store
from guardrails.versions import code_version

ACTOR = "guardrails"


class ReviewRequest(Protocol):
    """What is to be decided: a lead, with its draft or with notes why there is none."""

    @property
    def run_id(self) -> str: ...
    @property
    def dossier(self) -> Dossier: ...
    @property
    def qualification(self) -> Qualification | None: ...
    @property
    def draft(self) -> Draft | None: ...
    @property
    def notes(self) -> Sequence[Reason]: ...


class IntakeRequest(Protocol):
    """A row that never became a lead."""

    @property
    def row(self) -> int: ...
    @property
    def lead_id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reasons(self) -> Sequence[Reason]: ...


class Gate:
    """Decides, one lead at a time; many callers may wait at once.

    Args:
        config: the policy in force; its mode is the mode of every decision.
        clock: gives the moment of decision, the only time that rules see.
        sender: who writes; a draft of anybody else is refused, and without one every draft.
    """

    def __init__(
        self,
        config: Config,
        hive: Hive,
        store: Store,
        audit: AuditLog,
        bank: Bank,
        stop: StopSwitch,
        clock: Clock,
        *,
        sender: Sender | None,
    ) -> None:
        self._config = config
        self._hive = hive
        self._salt = hive.salt()
        self._store = store
        self._audit = audit
        self._bank = bank
        self._stop = stop
        self._clock = clock
        self._sender = sender
        self._templates = {entry.id: entry for entry in config.templates.templates}
        document = PolicyDocument.of(config)
        self._policy = CompiledPolicy(document)
        self._policy_document = Document.of("policy", document)
        self._policy_stored = False
        self.policy_version = policy_version(config)
        self._code_version = code_version()

    async def review(self, request: ReviewRequest) -> Decision:
        """Decide about a lead and put the decision on record, or return the recorded one.

        Raises:
            Stopped, StoreUnavailable, BankUnreadable, AuditUnwritable, AuditBroken: nothing was
                decided, and nothing may be done; the same call may be made again.
            BadInput: the request contradicts itself or the configuration (`coherence`), or the
                audit refuses what would be recorded.
            ConfigError: there is a draft and no sender is configured.
        """
        check_lead(request.dossier.lead, self._salt)
        if request.draft is not None:
            check_draft(request.draft, request.qualification, self._templates, self._sender)
        decision_id = decision_id_of(request)
        hashes = subjects(request.dossier, self._salt)
        known = await self._store.query(
            lambda conn: snapshot(conn, self._stop, hashes, decision_id)
        )
        if known.decided:
            return await self._recorded(decision_id, request)
        if known.stopped is not None:
            # Not a decision about this lead: nothing is recorded, and it is decided afterwards.
            raise Stopped(f"the swarm is stopped: {known.stopped}")
        inputs, answer = self._inputs(request, known)
        checks = evaluate(inputs, self._policy, answer)
        kept = Document.of("decision_inputs", inputs, request.dossier.lead.lead_id)
        body = review_body(inputs, self._policy, checks, answer, kept.digest)
        body["code_version"] = self._code_version
        await self._keep(kept)
        ref = await self._record(decision_id, request, body)
        if ref.existing:  # decided a moment ago by somebody else: that decision stands
            return await self._recorded(decision_id, request)
        place = {
            "audit_id": ref.audit_id,
            "hash": ref.hash,
            "decision_id": decision_id,
            "lead_id": request.dossier.lead.lead_id,
            "run_id": request.run_id,
        }
        return decision_of(body, place, request.qualification)

    async def record_intake(
        self, run_id: str, rows: Sequence[IntakeRequest]
    ) -> list[tuple[int, AuditRef]]:
        """Put rejected rows on record, once each, with one fsync for all of them.

        Raises:
            AuditUnwritable, StoreUnavailable, AuditBroken: none is on record.
        """
        now = iso(self._clock())
        mode, sandbox = self._config.production.mode, self._hive.sandbox
        entries = [
            AuditEntry(
                kind="intake",
                actor=ACTOR,
                body=intake_body(row.row, LeadState(row.state), row.reasons, mode, sandbox, now),
                decision_id=f"D-{digest({'run': run_id, 'row': row.row})[:32]}",
                lead_id=row.lead_id,
                run_id=run_id,
            )
            for row in rows
        ]
        refs = await self._audit.record(entries) if entries else []
        return [(row.row, ref) for row, ref in zip(rows, refs, strict=True)]

    def _inputs(self, request: ReviewRequest, known: Known) -> tuple[GateInputs, BankAnswer | None]:
        now, part, answer = self._clock(), None, None
        if request.draft is None:
            bank_version = self._bank.version  # an unreadable bank refuses these as well
        else:
            pattern = pattern_of(request.dossier, request.draft)
            others = other_ids(request.dossier.lead, self._salt)
            part = self._bank.slice_for(pattern.model_copy(update={"also_known_as": others}))
            answer = consult_slice(part, pattern, self._policy.bank, now)
            bank_version = answer.bank_version
        inputs = GateInputs(
            run_id=request.run_id,
            dossier=request.dossier,
            qualification=request.qualification,
            draft=request.draft,
            notes=tuple(request.notes),
            mode=self._config.production.mode,
            sandbox=self._hive.sandbox,
            now=now,
            suppression=known.suppression,
            bank_slice=part,
            policy_version=self.policy_version,
            policy_digest=self._policy_document.digest,
            bank_version=bank_version,
        )
        return inputs, answer

    async def _keep(self, inputs: Document) -> None:
        kept = [inputs] if self._policy_stored else [self._policy_document, inputs]
        await self._store.run(partial(keep, kept=kept, at=iso(self._clock())))
        self._policy_stored = True

    async def _record(
        self, decision_id: str, request: ReviewRequest, body: Mapping[str, Any]
    ) -> AuditRef:
        entry = AuditEntry(
            kind="review",
            actor=ACTOR,
            body=body,
            decision_id=decision_id,
            lead_id=request.dossier.lead.lead_id,
            run_id=request.run_id,
        )
        return (await self._audit.record([entry]))[0]

    async def _recorded(self, decision_id: str, request: ReviewRequest) -> Decision:
        record = await self._store.query(lambda _conn: self._audit.find(decision_id))
        if record is None:
            raise AuditBroken(f"decision {decision_id} is indexed and cannot be found")
        return decision_of(record["body"], record, request.qualification)


def decision_id_of(request: ReviewRequest) -> str:
    """The same for the same run, row, lead and draft (recipient, sender, subject and body).

    Somebody who comes again in a later row of a run is decided about again: much can have changed.
    """
    lead, draft = request.dossier.lead, request.draft
    content = draft.content_hash(lead.email or "") if draft is not None else None
    place = {"run": request.run_id, "row": lead.row, "lead": lead.lead_id}
    return f"D-{digest(place | {'content': content})[:32]}"


def pattern_of(dossier: Dossier, draft: Draft) -> Pattern:
    """What the bank is asked about this draft."""
    return Pattern(
        lead_id=dossier.lead.lead_id,
        scope=draft.scope,
        template_hash=draft.template_hash,
        content_hash=draft.content_hash(dossier.lead.email or ""),
        features=draft.features,
    )
