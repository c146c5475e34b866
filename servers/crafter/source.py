"""The sentence that says where we have somebody's details from. Owns: when, and its wording.

GDPR Art. 14 and its UK twin want it at the first contact. It is left out only when every stated
country lies elsewhere: an unknown country gets it too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from guardrails.model import Dossier, Scope
from guardrails.policy.case import iso_country
from servers.crafter import wording


class SourceNote:
    """Names the sources of a lead's details, in the words of config/templates/phrases.json."""

    def __init__(self, countries: Collection[str], names: Mapping[str, str]) -> None:
        self._countries = frozenset(countries)
        self._names = names

    def sentence(self, dossier: Dossier, scope: Scope, sources: Collection[str]) -> str:
        """One sentence, or nothing when none is needed.

        `sources` are source names of facts; those about the company alone (news, DNS) have no
        entry in the names and are left out.
        """
        if scope.channel != "cold_email" or scope.step != 1 or not self._wanted(dossier):
            return ""
        others = sorted(set(sources) - {dossier.lead.source})
        named = [
            self._names[name] for name in (dossier.lead.source, *others) if name in self._names
        ]
        return f"I found your details via {wording.listed(named)}."

    def _wanted(self, dossier: Dossier) -> bool:
        fact = dossier.facts.get("country")
        stated = (dossier.lead.country or "", str(fact.value) if fact else "")
        codes = {iso_country(code) for code in stated if code.strip()}
        return not codes or not codes.isdisjoint(self._countries)
