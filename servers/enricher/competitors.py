"""The competitor check. Owns: comparing a company with config/competitors.json.

A domain matches itself and everything below it; so does the parent company's. A name matches as
a whole, in any case and with any legal form. Refuses domains it cannot read (`BadInput`).
"""

from __future__ import annotations

from guardrails.config.models import Competitors
from guardrails.identity import normalise_domain
from guardrails.model import CompetitorFinding
from guardrails.policy.words import DomainList
from servers.enricher.headlines import CompanyName


class CompetitorCheck:
    """The configured list, in the form that is compared."""

    def __init__(self, listed: Competitors) -> None:
        self._domains = DomainList(listed.domains)
        self._names = {CompanyName.of(name).words: name for name in reversed(listed.names)}

    def find(
        self, *, domain: str | None, company: str | None, parent_domain: str | None
    ) -> CompetitorFinding:
        """Which configured competitor this is, if any.

        Raises:
            BadInput: a domain is none.
        """
        for host, whose in ((domain, "its domain"), (parent_domain, "its parent company's domain")):
            if host and (hit := self._domains.hit(normalise_domain(host))):
                why = f"{whose} is on the competitor list as {hit}"
                return CompetitorFinding(is_competitor=True, matched=hit, why=why)
        words = CompanyName.of(company).words if company else ()
        if words and (name := self._names.get(words)):
            why = f"its name is on the competitor list as {name}"
            return CompetitorFinding(is_competitor=True, matched=name, why=why)
        if not domain and not company and not parent_domain:
            return CompetitorFinding(is_competitor=False, why="neither domain nor name is known")
        return CompetitorFinding(is_competitor=False, why="on no competitor list")
