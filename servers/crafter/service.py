"""Writes one e-mail. Owns: choosing a template, rendering it with its ledger, judging the result.

Pure given its clock: the same dossier at the same instant gives the same draft. Refuses to
return a draft that a content rule would not pass; then a plainer template is tried, and if the
plainest fails there is no draft, with reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jinja2 import TemplateError

from guardrails.clock import Clock
from guardrails.model import Dossier, Draft, Reason, Scope, Sender
from servers.crafter.catalog import Catalog, CompiledTemplate, pick
from servers.crafter.contract import (
    CheckText,
    Drafted,
    ListTemplates,
    TemplateInfo,
    TemplateList,
    TextChecks,
    WriteDraft,
)
from servers.crafter.evidence import Evidence, EvidenceRules, Evidences
from servers.crafter.features import features_of
from servers.crafter.judge import Judge
from servers.crafter.leaving import LeavingLink
from servers.crafter.ledger import ClaimRefused, Ledger
from servers.crafter.phrases import OTHER
from servers.crafter.source import SourceNote
from servers.crafter.tone import message_of


@dataclass(frozen=True)
class Task:
    """One draft to write."""

    dossier: Dossier
    scope: Scope  # of the lead; the angle is the template's
    evidences: Evidences
    now: datetime


class CrafterService:
    """The crafter's tools, without a protocol."""

    def __init__(
        self,
        catalog: Catalog,
        rules: EvidenceRules,
        judge: Judge,
        source_note: SourceNote,
        sender: Sender,
        clock: Clock,
        leaving: LeavingLink | None = None,
    ) -> None:
        self._catalog = catalog
        self._rules = rules
        self._judge = judge
        self._source_note = source_note
        self._sender = sender
        self._clock = clock
        self._leaving = leaving

    async def write_draft(self, args: WriteDraft) -> Drafted:
        """The first template that can be written in full from evidence, or why none could."""
        return self.write(args)

    async def check_text(self, args: CheckText) -> TextChecks:
        """Content and tone findings about any text."""
        checks, score = self._judge.text(args.subject, args.body, self._clock())
        return TextChecks(checks=checks, tone_score=score)

    async def list_templates(self, _args: ListTemplates) -> TemplateList:
        """All templates, in the order in which they are tried."""
        return TemplateList(
            templates=tuple(
                TemplateInfo(
                    id=one.entry.id,
                    angle=one.entry.angle,
                    segments=one.entry.segments,
                    personas=one.entry.personas,
                    needs=one.entry.needs,
                    template_hash=one.template_hash,
                )
                for one in self._catalog.templates
            )
        )

    def write(self, args: WriteDraft) -> Drafted:
        """`write_draft` without a loop; takes well under a millisecond."""
        task = self._task(args)
        passed_over: list[Reason] = []
        for template in self._catalog.fitting(task.scope, args.dossier.lead.lead_id):
            made = self._try(template, task, passed_over)
            if isinstance(made, Draft):
                return Drafted(draft=made, reasons=made.dropped)
            passed_over.append(made)
        if not passed_over:
            text = f"No template is meant for {task.scope.channel}, step {task.scope.step}."
            passed_over.append(Reason(code="no_template", text=text))
        return Drafted(draft=None, reasons=tuple(passed_over))

    def _task(self, args: WriteDraft) -> Task:
        crm = args.dossier.crm
        known = crm is not None and crm.contact_id is not None and crm.last_contacted_at is not None
        scope = Scope(
            segment=args.qualification.segment,
            angle="plain",
            persona=args.qualification.persona,
            channel="crm_email" if known else "cold_email",
            step=args.step,
        )
        now = self._clock()
        evidences = Evidences(args.dossier, scope.segment, now, self._rules)
        return Task(args.dossier, scope, evidences, now)

    def _try(self, template: CompiledTemplate, task: Task, before: list[Reason]) -> Draft | Reason:
        if lacking := _lacking(template, task.evidences):
            return _passed_over(template, lacking)
        ledger = Ledger(task.evidences, self._rules.phrases, task.scope.segment)
        try:
            subject, body = template.render(self._context(task, ledger))
        except ClaimRefused as refused:
            return _passed_over(template, refused.reason)
        except TemplateError as error:
            reason = Reason(code="template_broken", text=f"{type(error).__name__}.")
            return _passed_over(template, reason)
        draft = self._draft(template, task, subject, body, ledger, before)
        fault = self._judge.fault(draft, task.dossier, task.now)
        if fault is None:
            return draft
        # The finding may quote outside text: only its code travels on.
        return _passed_over(
            template, Reason(code=f"content_{fault.code}", text="it would not pass.")
        )

    def _context(self, task: Task, ledger: Ledger) -> dict[str, object]:
        lead_id = task.dossier.lead.lead_id
        role_known = isinstance(task.evidences.get("title"), Evidence)
        persona = self._rules.phrases.persona(task.scope.persona if role_known else OTHER)
        return {
            "claim": ledger.claim,
            "state": ledger.state,
            "segment": ledger.segment,
            "offer": ledger.offer,
            "greeting": ledger.greeting,
            "stake": persona.stakes[pick(lead_id, "stake", len(persona.stakes))],
            "ask": persona.asks[pick(lead_id, "ask", len(persona.asks))],
            "sender": self._sender,
            "source_sentence": lambda: self._source_note.sentence(
                task.dossier, task.scope, task.evidences.sources()
            ),
        }

    def _draft(
        self,
        template: CompiledTemplate,
        task: Task,
        subject: str,
        body: str,
        ledger: Ledger,
        before: list[Reason],
    ) -> Draft:
        angle = template.entry.angle
        url = self._leaving.of(task.dossier.lead) if self._leaving else None
        return Draft(
            subject=subject,
            body=self._leaving.below(body, url) if self._leaving and url else body,
            claims=ledger.claims,
            template=template.entry.id,
            template_hash=template.template_hash,
            scope=task.scope.model_copy(update={"angle": angle}),
            features=features_of(
                angle, subject, message_of(body, self._sender.name), ledger.claims
            ),
            sender=self._sender,
            links=(url,) if url else (),
            dropped=(*before, *ledger.notes),
        )


def _lacking(template: CompiledTemplate, evidences: Evidences) -> Reason | None:
    """The most telling reason why a need is not met: a refusal before a mere absence."""
    refused = [
        found for need in template.entry.needs if isinstance(found := evidences.get(need), Reason)
    ]
    refused.sort(key=lambda reason: reason.code == "evidence_missing")
    return refused[0] if refused else None


def _passed_over(template: CompiledTemplate, why: Reason) -> Reason:
    text = f"Template {template.entry.id} passed over: {why.text}"
    return Reason(code=why.code, text=text, field=why.field, remedy=why.remedy)
