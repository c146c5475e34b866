"""What is found out about one lead, and by whom. Owns: System 1's questions, in their order.

A look-up that fails becomes a problem on the dossier, never a guess. Refuses to go on with one lead
where no lead could be decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

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
    Dossier,
    Fact,
    FactName,
    Lead,
    OutreachView,
    Reason,
    Recollection,
    Research,
)
from orchestrator.children import Children
from orchestrator.mcp_session import ToolFailed
from servers.enricher import contract as enricher
from servers.ghl import contract as ghl
from servers.instantly import contract as instantly

# Failures after which no lead could be decided: the run halts, and the same command goes on.
CONCERNS_ALL = frozenset(
    error.code
    for error in (Stopped, BankUnreadable, AuditUnwritable, AuditBroken, StoreUnavailable)
)


class Recaller(Protocol):
    """The long-term memory, asked about a person."""

    async def recall(self, lead: Lead) -> Recollection:
        """What it knows, or that it does not answer. Never raises; two seconds at most."""


class Gathering:
    """What is found out about one lead. A failed look-up becomes a problem, never a guess."""

    def __init__(
        self,
        children: Children,
        lead: Lead,
        needs: tuple[FactName, ...],
        recaller: Recaller | None = None,
    ) -> None:
        self._children = children
        self._recaller = recaller
        self._lead = lead
        self._needs = needs
        self._facts: Mapping[FactName, Fact] = {}
        self._crm: CrmView | None = None
        self._outreach: OutreachView | None = None
        self._research: Research | None = None
        self._memory: Recollection | None = None
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
            memory=self._memory,
            problems=tuple(self._problems),
        )

    def set_aside(self) -> None:
        """Ask nobody: this lead has taken its servers down before."""
        text = "This lead crashed a server several times in a row and is left alone."
        remedy = "a person looks at `swarm failures` and releases it"
        self._problems.append(Reason(code="quarantined", text=text, remedy=remedy))

    async def look_up(self) -> None:
        """Ask the CRM, the sending platform and the memory about the person and the company."""
        await asyncio.gather(
            self._look_up_crm(_domains(self._lead.domain)), self._look_up_address(), self._recall()
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
            await self._recall()

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

    async def _recall(self) -> None:
        """Never fails and never takes long; what it says is recorded, its silence too."""
        if self._recaller is not None:
            lead = self._lead.model_copy(update={"email": self._email()})
            self._memory = await self._recaller.recall(lead)

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
