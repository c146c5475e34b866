"""The competitor check. Owns: comparing a company with config/competitors.json.

A domain matches itself and everything below it; so does the parent company's. A name matches as
a whole, in any case and with any legal form. Refuses domains it cannot read (`BadInput`).
"""

from __future__ import annotations

from guardrails.config.models import Competitors
from guardrails.identity import domain_matches
from guardrails.model import CompetitorFinding
from servers.enricher.headlines import CompanyName


def find_competitor(
    listed: Competitors, *, domain: str | None, company: str | None, parent_domain: str | None
) -> CompetitorFinding:
    """Which configured competitor this is, if any.

    Raises:
        BadInput: a domain is none.
    """
    for host, whose in ((domain, "its domain"), (parent_domain, "its parent company's domain")):
        for competitor in listed.domains if host else ():
            if host and domain_matches(host, competitor):
                why = f"{whose} is on the competitor list as {competitor}"
                return CompetitorFinding(is_competitor=True, matched=competitor, why=why)
    words = CompanyName.of(company).words if company else ()
    for name in listed.names:
        if words and CompanyName.of(name).words == words:
            why = f"its name is on the competitor list as {name}"
            return CompetitorFinding(is_competitor=True, matched=name, why=why)
    if not domain and not company and not parent_domain:
        return CompetitorFinding(is_competitor=False, why="neither domain nor name is known")
    return CompetitorFinding(is_competitor=False, why="on no competitor list")
