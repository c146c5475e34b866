"""The enricher's behaviour. Owns: the pairing of its two halves, waterfall and research.

No MCP, no HTTP; both halves work over ports (`sources.Source`, `sources.NewsSource`,
`mail.MailLookup`).
"""

from __future__ import annotations

from servers.enricher.contract import (
    CompanyResearch,
    EnrichLead,
    Enrichment,
    ResearchCompany,
)
from servers.enricher.research import CompanyResearcher
from servers.enricher.waterfall import Waterfall


class EnricherService:
    """The tools of the enricher server."""

    def __init__(self, waterfall: Waterfall, researcher: CompanyResearcher) -> None:
        self._waterfall = waterfall
        self._researcher = researcher

    async def enrich_lead(self, args: EnrichLead) -> Enrichment:
        """See `Waterfall.enrich_lead`."""
        return await self._waterfall.enrich_lead(args)

    async def research_company(self, args: ResearchCompany) -> CompanyResearch:
        """See `CompanyResearcher.research_company`."""
        return await self._researcher.research_company(args)
