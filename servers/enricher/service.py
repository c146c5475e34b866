"""The enricher's behaviour. Owns: the pairing of its two halves, waterfall and research.

No MCP, no HTTP; both halves work over ports (`sources.Source`, `sources.NewsSource`,
`mail.MailLookup`). Whoever holds a paid source's key can be asked whose it is, at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from servers.common.access import tried
from servers.common.contract_access import Access, CheckAccess, Door
from servers.enricher.contract import (
    CompanyResearch,
    EnrichLead,
    Enrichment,
    ResearchCompany,
)
from servers.enricher.research import CompanyResearcher
from servers.enricher.sources import KeyHolder
from servers.enricher.waterfall import Waterfall

_ASK_FOR_IT = ".env.example says where it is found; until then this source is left out."


class EnricherService:
    """The tools of the enricher server."""

    def __init__(
        self,
        waterfall: Waterfall,
        researcher: CompanyResearcher,
        keyed: Sequence[KeyHolder] = (),
    ) -> None:
        self._waterfall = waterfall
        self._researcher = researcher
        self._keyed = tuple(keyed)

    async def enrich_lead(self, args: EnrichLead) -> Enrichment:
        """See `Waterfall.enrich_lead`."""
        return await self._waterfall.enrich_lead(args)

    async def research_company(self, args: ResearchCompany) -> CompanyResearch:
        """See `CompanyResearcher.research_company`."""
        return await self._researcher.research_company(args)

    async def check_access(self, _args: CheckAccess) -> Access:
        """Each paid source's key, tried; and whether it can be used."""
        doors: list[Door] = []
        for one in self._keyed:
            if one.keyless:
                doors.append(_not_set(f"{one.name}.key", one.keyless))
                continue
            doors.append(await tried(f"{one.name}.key", one.who_am_i))
            if one.unusable:
                doors.append(_not_set(f"{one.name}.use", one.unusable))
        return Access(doors=tuple(doors))


def _not_set(name: str, why: str) -> Door:
    return Door(name=name, status="not_set", seen=why, remedy=_ASK_FOR_IT)
