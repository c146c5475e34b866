"""prepare_lead: from a row to a decision on record. Owns: the order in which the swarm thinks.

Two checkpoints, each of which means something: after `gather` (System 1: what is known, vendors
asked), and the workflow's end after `decide` (System 2: qualify, draft, review, settle). After a
crash, what was gathered is not asked for again; what was decided is found on the record and not
decided twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from guardrails import tracing
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import iso
from guardrails.config import Config
from guardrails.correlation import Correlation, correlated
from guardrails.errors import (
    AuditBroken,
    AuditUnwritable,
    BadInput,
    BankUnreadable,
    ServerUnavailable,
    Stopped,
    StoreUnavailable,
)
from guardrails.model import (
    CrmView,
    Decision,
    Dossier,
    Draft,
    Fact,
    FactName,
    Lead,
    OutreachView,
    Qualification,
    Reason,
    Research,
    digest,
)
from orchestrator.children import Children
from orchestrator.engine import Engine, Json
from orchestrator.mcp_session import ToolFailed
from orchestrator.qualification import qualify
from orchestrator.run_records import Settled
from orchestrator.runs import Runs
from orchestrator.triage import Triage
from servers.crafter import contract as crafter
from servers.enricher import contract as enricher
from servers.ghl import contract as ghl
from servers.guardrails import contract as guardrails
from servers.instantly import contract as instantly

WORKFLOW = "prepare_lead"
_TOO_LITTLE = frozenset({enricher.ENRICHMENT_INCOMPLETE, enricher.RESEARCH_INCOMPLETE})
# Failures after which no lead could be decided: the run halts, and the same command goes on.
CONCERNS_ALL = frozenset(
    error.code
    for error in (Stopped, BankUnreadable, AuditUnwritable, AuditBroken, StoreUnavailable)
)


def workflow_id(run_id: str, row: int) -> str:
    """One workflow for each row of a run: starting it twice is starting it once."""
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
    ) -> None:
        self._quarantine = quarantine
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
        gathering = Gathering(self._children, lead, needs)
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


class Gathering:
    """What is found out about one lead. A failed look-up becomes a problem, never a guess."""

    def __init__(self, children: Children, lead: Lead, needs: tuple[FactName, ...]) -> None:
        self._children = children
        self._lead = lead
        self._needs = needs
        self._facts: Mapping[FactName, Fact] = {}
        self._crm: CrmView | None = None
        self._outreach: OutreachView | None = None
        self._research: Research | None = None
        self._problems: list[Reason] = []
        self.cost_micros = 0

    def dossier(self) -> Dossier:
        """What is known by now."""
        return Dossier(
            lead=self._lead.model_copy(update={"email": self._email()}),
            facts=self._facts,
            research=self._research,
            crm=self._crm,
            outreach=self._outreach,
            problems=tuple(self._problems),
        )

    def set_aside(self) -> None:
        """Ask nobody: this lead has taken its servers down before."""
        text = "This lead crashed a server several times in a row and is left alone."
        remedy = "a person looks at `swarm failures` and releases it"
        self._problems.append(Reason(code="quarantined", text=text, remedy=remedy))

    async def look_up(self) -> None:
        """Ask the CRM and the sending platform about the person and the company."""
        await asyncio.gather(
            self._look_up_crm(_domains(self._lead.domain)), self._look_up_address()
        )

    async def enrich(self) -> None:
        """Ask the waterfall; a parent company that it names is looked up in the CRM as well."""
        request = enricher.EnrichLead(lead=self._lead, need=self._needs)
        found = await self._ask(enricher.SERVER, enricher.ENRICH_LEAD, request)
        if found is None:
            return
        self._facts = found.facts
        self._problems += found.incomplete_because
        self.cost_micros += found.cost_micros
        parent = self._parent()
        if parent is not None:
            await self._look_up_crm(_domains(self._lead.domain, parent))
        if self._lead.email is None and "email" in self._facts:
            await self._look_up_address()

    async def research(self) -> None:
        """News about the company and the competitor check."""
        request = enricher.ResearchCompany(
            domain=self._lead.domain, company=self._company(), parent_domain=self._parent()
        )
        found = await self._ask(enricher.SERVER, enricher.RESEARCH_COMPANY, request)
        if found is not None:
            self._research = found.research
            self._problems += found.incomplete_because

    async def _look_up_crm(self, domains: tuple[str, ...]) -> None:
        request = ghl.LookUpLead(email=self._email(), domains=domains)
        found = await self._ask(ghl.SERVER, ghl.LOOK_UP_LEAD, request)
        self._crm = found.crm if found is not None else None

    async def _look_up_address(self) -> None:
        email = self._email()
        if email is None:
            return
        request = instantly.LookUpAddress(email=email)
        found = await self._ask(instantly.SERVER, instantly.LOOK_UP_ADDRESS, request)
        self._outreach = found.outreach if found is not None else None

    async def _ask(self, server: str, spec: Any, request: Any) -> Any:
        try:
            return await self._children.call(server, spec, request)
        except ToolFailed as error:
            if error.failure.code in CONCERNS_ALL:
                raise  # not this lead's misfortune: nobody can be decided now
            failure = error.failure
        except (ServerUnavailable, BadInput) as error:
            failure = error.as_failure()
        text = f"{server}.{spec.name}: {failure.message}"
        problem = Reason(code="lookup_failed", text=text, remedy=failure.remedy)
        self._problems.append(problem)
        return None

    def _email(self) -> str | None:
        if self._lead.email is not None:
            return self._lead.email
        fact = self._facts.get("email")
        return str(fact.value) if fact is not None else None

    def _parent(self) -> str | None:
        fact = self._facts.get("parent_domain")
        return str(fact.value) if fact is not None else None

    def _company(self) -> str | None:
        fact = self._facts.get("company")
        return self._lead.company or (str(fact.value) if fact is not None else None)


def _domains(*domains: str | None) -> tuple[str, ...]:
    return tuple(domain for domain in domains if domain)


def _claim(claim: Mapping[str, Any]) -> Json:
    return {key: claim[key] for key in ("text", "source", "url", "fetched_at")}
