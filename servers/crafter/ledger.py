"""The claim ledger. Owns: the only door through which a known thing reaches a draft.

A template sees functions, no values: whatever it says about this lead it gets from `claim`,
`state`, `segment`, `offer` or `greeting`, and each use is recorded with its evidence. What has no
evidence raises `ClaimRefused`, so that an unsupported sentence cannot be rendered.
"""

from __future__ import annotations

from typing import Literal

from guardrails.errors import Refused
from guardrails.model import Claim, Reason
from servers.crafter import wording
from servers.crafter.evidence import Evidence, Evidences
from servers.crafter.phrases import OTHER, Phrases

Kind = Literal["company", "role", "other"]
KINDS: dict[str, Kind] = {
    "news": "company",
    "hiring": "company",
    "funding": "company",
    "technologies": "company",
    "pages_seen": "company",
    "industry": "company",
    "title": "role",
    "company": "other",  # the name alone says nothing about the company
    "first_name": "other",
}
_NAMED_TOOLS = 2


class ClaimRefused(Refused):
    """A template asked for something that is not known well enough to be written."""

    code = "claim_refused"
    default_remedy = "A plainer template is tried; see the reason."

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


class Ledger:
    """Claims of one draft, in the order in which they were written, each once."""

    def __init__(self, evidences: Evidences, phrases: Phrases, segment: str) -> None:
        self._evidences = evidences
        self._phrases = phrases
        self._segment = segment
        self._claims: dict[tuple[str, str], Claim] = {}
        self.notes: list[Reason] = []

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What has been claimed so far."""
        return tuple(self._claims.values())

    def claim(self, fact: str, form: Literal["", "possessive"] = "") -> str:
        """The known value in words.

        Raises:
            ClaimRefused: nothing is known that may be written.
        """
        found = self._evidence(fact)
        text = self._record(found, _in_words(found))
        return wording.possessive(text) if form == "possessive" else text

    def state(self, fact: str, statement: str) -> str:
        """The template's own `statement`, resting on what is known of `fact`.

        Raises:
            ClaimRefused: nothing is known that may be written.
        """
        return self._record(self._evidence(fact), statement)

    def segment(self, key: Literal["noun", "scene"]) -> str:
        """What we say of the lead's industry; without evidence of it, what we say of any."""
        phrases = self._phrases.segment(self._segment if self._industry() else OTHER)
        return phrases.noun if key == "noun" else phrases.scene

    def offer(self, key: Literal["job", "routine"]) -> str:
        """What an AI officer does in the lead's industry; whom it is for rests on evidence."""
        industry = self._industry()
        phrases = self._phrases.segment(self._segment if industry else OTHER)
        offer = phrases.job if key == "job" else phrases.routine
        if offer.audience is None or industry is None:
            return f"That means {offer.means}."
        return f"For {self._record(industry, offer.audience, 'other')} that means {offer.means}."

    def greeting(self) -> str:
        """`Hi Ana,`, or `Hello,` when no usable first name is known."""
        found = self._evidences.get("first_name")
        if isinstance(found, Reason):
            self._note(found)
            return "Hello,"
        return f"Hi {self._record(found, str(found.shown))},"

    def _industry(self) -> Evidence | None:
        found = self._evidences.get("industry") if self._segment != OTHER else None
        if isinstance(found, Reason):
            self._note(found)
            return None
        return found

    def _evidence(self, fact: str) -> Evidence:
        found = self._evidences.get(fact)
        if isinstance(found, Reason):
            raise ClaimRefused(found)
        return found

    def _note(self, reason: Reason) -> None:
        if reason not in self.notes:
            self.notes.append(reason)

    def _record(self, found: Evidence, text: str, kind: Kind | None = None) -> str:
        if (found.fact, text) not in self._claims:
            value = found.value
            self._claims[found.fact, text] = Claim(
                text=text,
                kind=kind or KINDS[found.fact],
                fact=found.fact,
                evidence="; ".join(value) if isinstance(value, tuple) else str(value),
                source=found.source,
                url=found.url,
                fetched_at=found.fetched_at,
                ttl_days=found.ttl_days,
            )
        return text


def _in_words(found: Evidence) -> str:
    if found.fact == "hiring":
        return wording.roles(found.shown)
    if isinstance(found.shown, tuple):
        return wording.listed(found.shown[:_NAMED_TOOLS])
    return found.shown
