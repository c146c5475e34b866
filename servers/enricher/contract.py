"""Enricher: adds facts. Waterfall cache, RB2B, Clay; company news and competitor check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from guardrails.model import Fact, FactName, Lead, Reason, Research
from servers.common.contract import Args, Result, ToolSpec
from servers.common.contract_access import Access, CheckAccess

SERVER = "enricher"
# Codes of `incomplete_because`: what is known is too little to write or judge a draft by.
ENRICHMENT_INCOMPLETE = "enrichment_incomplete"
RESEARCH_INCOMPLETE = "research_incomplete"


class EnrichLead(Args):
    """The lead to enrich."""

    lead: Lead = Field(description="The lead as the hunter gave it.")
    need: tuple[FactName, ...] = Field(
        default=("employee_count", "industry", "title", "country"),
        description="Facts that make it good enough: the waterfall stops when all are known.",
    )


class WaterfallStep(Result):
    """What one source was asked and gave."""

    source: Literal["row", "cache", "rb2b", "clay", "dns"]
    status: Literal[
        "ok", "no_match", "skipped", "pending", "failed", "out_of_credits", "capped", "paused"
    ]
    detail: str = Field(description="For a person: what was found, or why not.")
    facts: tuple[FactName, ...] = ()
    cost_micros: int = Field(default=0, ge=0, description="Estimated cost in micro-dollars.")


class Enrichment(Result):
    """Facts with source, time and confidence. What is unknown is absent, never guessed."""

    facts: Mapping[FactName, Fact]
    steps: tuple[WaterfallStep, ...]
    complete: bool = Field(description="All needed facts are known.")
    missing: tuple[FactName, ...]
    incomplete_because: tuple[Reason, ...] = Field(
        default=(),
        description="Sources that may know a missing fact and could not be heard. Not empty: "
        "these belong to the dossier's problems, so that the lead waits and nobody decides on "
        "too little. Empty although something is missing: nobody knows it.",
    )
    cost_micros: int = 0


class ResearchCompany(Args):
    """The company to look up."""

    domain: str | None = Field(description="The company's domain; null if unknown.")
    company: str | None = Field(description="The company's name; null if unknown.")
    parent_domain: str | None = Field(default=None, description="Parent company's domain.")


class CompanyResearch(Result):
    """News and the competitor check."""

    research: Research
    incomplete_because: tuple[Reason, ...] = Field(
        default=(),
        description="Set when every source that was asked failed; belongs to the dossier's "
        "problems. One that answers is enough: `research.sources` says which failed.",
    )


ENRICH_LEAD = ToolSpec(
    "enrich_lead",
    "Enrich a lead",
    "Add facts about a person and company from the cache, RB2B and Clay, in this order, stopping "
    "when the needed facts are known. Paid: RB2B and Clay cost money, under a daily cap that this "
    "call cannot raise; a lead enriched before is free. Each fact comes with source, time and "
    "confidence; what is unknown is absent. Writes to nobody. For news use research_company.",
    EnrichLead,
    Enrichment,
    read_only=False,  # it spends credits and fills the cache
    open_world=True,
    outside="facts and what details quote",
)
RESEARCH_COMPANY = ToolSpec(
    "research_company",
    "Research a company",
    "Recent news about a company (GDELT, Google News; free) and whether it is a competitor of "
    "ours. Give the domain, the name or both. For facts about the person use enrich_lead.",
    ResearchCompany,
    CompanyResearch,
    open_world=True,
    outside="headlines and publishers",
)
CHECK_ACCESS = ToolSpec(
    "check_access",
    "Try the keys of Clay and RB2B",
    "Whose keys they are and whether they open what is needed, by reads that cost nothing. For "
    "setting up and finding faults; runs no routine and looks nobody up.",
    CheckAccess,
    Access,
    open_world=True,
    outside="what vendors answered (`seen`)",
)
TOOLS = (ENRICH_LEAD, RESEARCH_COMPANY, CHECK_ACCESS)
