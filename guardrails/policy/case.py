"""One lead and draft as the rules look at it. Owns: the compiled policy and derived views.

Derived once per decision, shared by the rules, pure. Everything here that came from outside is
text to compare, never to obey (P9).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from guardrails.errors import BadInput
from guardrails.identity import normalise_email
from guardrails.model import BankAnswer, Draft, FactName, FactValue, Lead
from guardrails.policy.inputs import GateInputs, PolicyDocument
from guardrails.policy.words import DomainList, SuffixList, ascii_domain, fold, phrases, plain

# Country-code domains that do not name a country.
_GENERIC_CC = frozenset({"io", "ai", "co", "me", "tv", "cc", "ly", "fm", "gg", "so", "to", "eu"})


class CompiledPolicy:
    """A `PolicyDocument` with its lists turned into what rules can ask at speed."""

    def __init__(self, document: PolicyDocument) -> None:
        self.document = document
        self.who = document.policy.who
        self.content = document.policy.content
        self.bank = document.policy.bank
        self.window = document.sending_window
        self.competitors = DomainList(document.competitors.domains)
        self.competitor_names = phrases(
            (*document.competitors.names, *document.competitors.domains)
        )
        self.partners = DomainList(document.exclusions.partners)
        self.customers = DomainList(document.exclusions.customers)
        self.free_mail = DomainList(document.exclusions.free_mail)
        self.disposable = DomainList(document.exclusions.disposable)
        self.links = DomainList(self.content.allowed_link_domains)
        self.institutions = SuffixList(self.who.institution_suffixes)
        self.institution_words = frozenset(plain(w) for w in self.who.institution_ownership)
        self.nonprofit_words = phrases(self.who.nonprofit_words)
        self.review_titles = phrases(self.who.review_titles)
        self.blocked_local_parts = frozenset(bare(p) for p in self.who.blocked_local_parts)
        self.role_local_parts = frozenset(bare(p) for p in self.who.role_local_parts)
        self.openers = phrases(self.content.banned_openers)
        self.spam = phrases(self.content.spam_words)
        self.opt_outs = phrases(self.content.opt_out_phrases)
        self.sources = phrases(self.content.source_phrases)
        self.prices = tuple(re.compile(pattern) for pattern in self.content.price_patterns)
        joined = "|".join(re.escape(plain(p)) for p in self.content.fake_prefixes) or "(?!)"
        self.fake_prefix = re.compile(rf"\W*(?:{joined})\s*(?:[\[(]\s*\d+\s*[\])])?\s*:")


def utc(moment: datetime) -> datetime:
    """`moment` in UTC; one without a zone is taken as UTC, as the importers mean it."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def bare(local_part: str) -> str:
    """A mailbox name without tag, dots and dashes: `No-Reply+x` and `noreply` are the same."""
    return re.sub(r"[\W_]+", "", plain(local_part).partition("+")[0])


@dataclass(frozen=True)
class Case:
    """Inputs and policy with what rules derive from them."""

    inputs: GateInputs
    policy: CompiledPolicy
    bank: BankAnswer | None = None

    @property
    def lead(self) -> Lead:
        """The person."""
        return self.inputs.dossier.lead

    @property
    def draft(self) -> Draft | None:
        """The e-mail, when one was written."""
        return self.inputs.draft

    def fact(self, name: FactName) -> FactValue | None:
        """The value of an enriched fact; None when unknown."""
        found = self.inputs.dossier.facts.get(name)
        return None if found is None else found.value

    def text_fact(self, name: FactName) -> str | None:
        """The same, when it is a non-empty text."""
        value = self.fact(name)
        return value if isinstance(value, str) and value.strip() else None

    @cached_property
    def email(self) -> str | None:
        """The recipient in normal form; None when absent or not an address."""
        if self.lead.email is None:
            return None
        try:
            return normalise_email(self.lead.email)
        except BadInput:
            return None

    @cached_property
    def local_part(self) -> str:
        """Mailbox name of the recipient, bare; empty without one."""
        return bare(self.email.rpartition("@")[0]) if self.email else ""

    @cached_property
    def email_domain(self) -> str | None:
        """Domain of the recipient."""
        return self.email.rpartition("@")[2] if self.email else None

    @cached_property
    def stated_domains(self) -> tuple[tuple[str, str], ...]:
        """(what it is, text) of every domain anybody states for the company."""
        website = self.lead.website
        stated: list[tuple[str, str | None]] = [
            ("the e-mail domain", self.email_domain),
            ("the company's domain", self.lead.domain),
            ("the website", host_of(website) if website else None),
            ("the enriched domain", self.text_fact("domain")),
            ("the parent company", self.text_fact("parent_domain")),
        ]
        return tuple((what, text) for what, text in stated if text)

    @cached_property
    def domains(self) -> tuple[tuple[str, str], ...]:
        """(what it is, ASCII domain), each domain once."""
        seen: dict[str, str] = {}
        for what, text in self.stated_domains:
            domain = ascii_domain(text)
            if domain is not None:
                seen.setdefault(domain, what)
        return tuple((what, domain) for domain, what in seen.items())

    @cached_property
    def countries(self) -> frozenset[str]:
        """Every country stated for the person; else the one its domains end in; maybe empty."""
        stated = {self.lead.country, self.text_fact("country")}
        known = frozenset(iso_country(code) for code in stated if code and code.strip())
        return known or frozenset(self._domain_countries())

    def _domain_countries(self) -> Iterator[str]:
        for _what, domain in self.domains:
            last = domain.rpartition(".")[2]
            if len(last) == 2 and last not in _GENERIC_CC:
                yield iso_country(last)

    @cached_property
    def subject(self) -> str:
        """The draft's subject as it reads; empty without a draft."""
        return fold(self.draft.subject) if self.draft else ""

    @cached_property
    def body(self) -> str:
        """The draft's body as it reads, case kept."""
        return fold(self.draft.body) if self.draft else ""

    @cached_property
    def written(self) -> str:
        """Subject and body without case: what phrase lists are matched against."""
        return f"{self.subject}\n{self.body}".casefold()


def iso_country(code: str) -> str:
    """A country's code as the lists have it."""
    upper = code.strip().upper()
    return "GB" if upper == "UK" else upper


def host_of(website: str) -> str | None:
    """The host of a web address, with a scheme or without; None when it has none."""
    try:
        return urlsplit(website if "//" in website else f"//{website}").hostname
    except ValueError:
        return None
