"""prepare_lead: from a row to a decision on record. Owns: the order in which the swarm thinks.

Two checkpoints, each of which means something: after `gather` (System 1: what is known, vendors
asked), and the workflow's end after `decide` (System 2: qualify, draft, review, settle). After a
crash, what was gathered is not asked for again; what was decided is found on the record and not
decided twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guardrails import tracing
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import iso
from guardrails.config import Config
from guardrails.correlation import Correlation, correlated
from guardrails.model import (
    Decision,
    Dossier,
    Draft,
    Qualification,
    Reason,
    digest,
)
from orchestrator.asking import Gathering, Recaller
from orchestrator.children import Children
from orchestrator.engine import Engine, Json
from orchestrator.mcp_session import ToolFailed
from orchestrator.qualification import qualify
from orchestrator.run_records import Settled
from orchestrator.runs import Runs
from orchestrator.triage import Triage
from servers.crafter import contract as crafter
from servers.enricher import contract as enricher
from servers.guardrails import contract as guardrails

WORKFLOW = "prepare_lead"
_TOO_LITTLE = frozenset({enricher.ENRICHMENT_INCOMPLETE, enricher.RESEARCH_INCOMPLETE})


def workflow_id(run_id: str, row: int) -> str:
    """How the ids of a row's workflows begin: one for each try."""
    return f"prepare:{run_id}:{row}"


class PrepareLead:
    """The workflow, over the queen's servers."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        children: Children,
        runs: Runs,
        triage: Triage,
        quarantine: Quarantine,
        *,
        sandbox: bool,
        recaller: Recaller | None = None,
    ) -> None:
        self._quarantine = quarantine
        self._recaller = recaller
        self._config = config
        self._engine = engine
        self._children = children
        self._runs = runs
        self._triage = triage
        self._sandbox = sandbox

    async def workflow(self, run_id: str, row: int) -> Json:
        """Gather, decide, settle. Result: `{state, audit_id}`."""
        with tracing.span("prepare_lead", run_id=run_id, row=row):
            gathered = await self._engine.step("gather", self._gather, run_id, row)
            return await self._decide(run_id, row, gathered)

    async def _gather(self, run_id: str, row: int) -> Json:
        lead = await self._runs.lead(run_id, row)
        needs = self._config.production.work.enrichment_needs
        gathering = Gathering(self._children, lead, needs, self._recaller)
        if await self._quarantine.is_quarantined(lead.lead_id):
            gathering.set_aside()
        # A competitor in the CSV is turned away before a credit is spent on it.
        elif not self._triage.turned_away(gathering.dossier()):
            with correlated(Correlation(lead.lead_id, run_id)):
                await self._ask_around(gathering)
        # As one text: the engine's serializer walks through every value of a document.
        document = gathering.dossier().model_dump_json(exclude_defaults=True)
        return {"dossier": document, "cost_micros": gathering.cost_micros}

    async def _ask_around(self, gathering: Gathering) -> None:
        await gathering.look_up()
        if not self._triage.turned_away(gathering.dossier()):
            await gathering.enrich()
            await gathering.research()

    async def _decide(self, run_id: str, row: int, gathered: Json) -> Json:
        dossier = Dossier.model_validate_json(gathered["dossier"])
        with correlated(Correlation(dossier.lead.lead_id, run_id)):
            return await self._decided(run_id, row, dossier, int(gathered["cost_micros"]))

    async def _decided(self, run_id: str, row: int, dossier: Dossier, cost_micros: int) -> Json:
        qualification = qualify(dossier, self._config.icp)
        draft: Draft | None = None
        notes: tuple[Reason, ...] = ()
        if not self._triage.turned_away(dossier, qualification):
            draft, notes = await self._write(dossier, qualification)
        request = guardrails.ReviewLead(
            run_id=run_id, dossier=dossier, qualification=qualification, draft=draft, notes=notes
        )
        decision = await self._children.call(guardrails.SERVER, guardrails.REVIEW_LEAD, request)
        email = self._shadow_email(dossier, draft, decision) if draft else None
        tracing.note(lead_id=decision.lead_id, audit_id=decision.audit_id, state=decision.state)
        settled = Settled(row, decision, email, cost_micros)
        await self._runs.settle(run_id, settled)
        return {"state": decision.state.value, "audit_id": decision.audit_id}

    async def _write(
        self, dossier: Dossier, qualification: Qualification
    ) -> tuple[Draft | None, tuple[Reason, ...]]:
        if dossier.lead.email is None:
            return None, (Reason(code="no_email", text="No e-mail address is known."),)
        if any(problem.code in _TOO_LITTLE for problem in dossier.problems):
            # A draft on half the facts could be blocked for good by what an outage left out.
            return None, (Reason(code="not_written", text="Too little is known to write."),)
        request = crafter.WriteDraft(dossier=dossier, qualification=qualification)
        try:
            drafted = await self._children.call(crafter.SERVER, crafter.WRITE_DRAFT, request)
        except ToolFailed as error:
            return None, (Reason(code=error.failure.code, text=error.failure.message),)
        return drafted.draft, drafted.reasons

    def _shadow_email(self, dossier: Dossier, draft: Draft, decision: Decision) -> Json:
        bank = decision.bank
        return {
            "email_id": f"E-{digest([decision.lead_id, decision.content_hash])[:16]}",
            "lead_id": decision.lead_id,
            "to": dossier.lead.email,
            "subject": draft.subject,
            "body": draft.body,
            "claims": [_claim(claim) for claim in draft.model_dump(mode="json")["claims"]],
            "score": decision.qualification.score if decision.qualification else None,
            "tier": decision.qualification.tier if decision.qualification else None,
            "segment": draft.scope.segment,
            "template": draft.template,
            "decision": decision.state.value,
            "reasons": [reason.model_dump(mode="json") for reason in decision.reasons],
            "bank": [item.model_dump(mode="json") for item in bank.citations] if bank else [],
            "golden": bank.golden.model_dump(mode="json") if bank else None,
            "audit_id": decision.audit_id,
            "would_send_at": iso(decision.would_send_at) if decision.would_send_at else None,
            "actual_sent": False,
            "sandbox": self._sandbox,
            "created_at": iso(decision.decided_at),
        }


async def close_unprepared(
    children: Children, runs: Runs, run_id: str, row: int, note: Reason
) -> None:
    """End a row whose preparation failed: on the record, with the failure as its reason.

    Raises:
        SwarmError: not even that can be recorded; the row stays open for the next run.
    """
    dossier = Dossier(lead=await runs.lead(run_id, row), problems=(note,))
    request = guardrails.ReviewLead(run_id=run_id, dossier=dossier, notes=(note,))
    decision = await children.call(guardrails.SERVER, guardrails.REVIEW_LEAD, request)
    await runs.settle(run_id, Settled(row, decision, None, 0))


def _claim(claim: Mapping[str, Any]) -> Json:
    return {key: claim[key] for key in ("text", "source", "url", "fetched_at")}
