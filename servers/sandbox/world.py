"""The sandbox's world: who exists, what is known of them, what the vendors hold already.

Owns: a few hundred invented companies on reserved domains with people, news, CRM contacts,
outreach history and a block list; and for domains and addresses nobody has seen, facts derived
from the name and the seed. Equal seeds give equal worlds. Holds no dates and no vendor's form.
Refuses to invent a company behind a free-mail domain.
"""

from __future__ import annotations

import re
from functools import lru_cache

from servers.sandbox import history, sample, vocabulary
from servers.sandbox.dice import Dice, fingerprint
from servers.sandbox.nouns import (
    Company,
    CrmContact,
    Headline,
    OutreachLead,
    Person,
    Place,
)

DEFAULT_SEED = 7
KNOWN_COMPANIES = 300
_CACHED = 20_000
_SAFE = re.compile(r"[^a-z0-9]+")
_ENDING = re.compile(r"\.(example|test|com|net|org|io|ai|co|co\.uk)$")


class World:
    """One seeded world. Immutable; what vendors change lives in their twins."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.seed = seed
        self.company = lru_cache(_CACHED)(self._company)
        self.person = lru_cache(_CACHED)(self._person)
        self._companies = {company.domain: company for company in sample.COMPANIES}
        self._people = {person.email: person for person in sample.PEOPLE}
        self._slugs = {person.linkedin_slug: person for person in sample.PEOPLE}
        self.generated: tuple[Company, ...] = tuple(self._invent())
        self.contacts: tuple[CrmContact, ...] = sample.CONTACTS + tuple(history.crm(self))
        self.outreach: tuple[OutreachLead, ...] = tuple(history.outreach(self))
        self.blocked: tuple[str, ...] = sample.BLOCKED + tuple(history.blocked(self))
        self.news: tuple[Headline, ...] = sample.NEWS + tuple(history.news(self))

    def _invent(self) -> list[Company]:
        made: dict[str, Company] = {}
        at = 0
        while len(made) < KNOWN_COMPANIES:
            at += 1
            dice = Dice(self.seed, "known", at)
            industry, _, suffixes = dice.weighted([(row, row[1]) for row in vocabulary.INDUSTRIES])
            name = f"{dice.pick(vocabulary.NAME_WORDS)} {dice.pick(suffixes)}"
            domain = _SAFE.sub("", name.lower()) + dice.weighted([(".example", 8), (".test", 2)])
            if domain not in made and domain not in self._companies:
                made[domain] = self._describe(domain, name, industry, dice)
        self._companies |= made
        return list(made.values())

    def _describe(self, domain: str, name: str, industry: str, dice: Dice) -> Company:
        employees = dice.weighted(
            [
                (dice.between(51, 500), 60),
                (dice.between(20, 50), 15),
                (dice.between(501, 1000), 10),
                (dice.between(1001, 6000), 5),
                (dice.between(10, 19), 4),
                (dice.between(2, 9), 4),
                (None, 2),
            ]
        )
        ownership = dice.weighted(
            [("private", 94), ("public", 3), ("nonprofit", 1), ("education", 1), ("government", 1)]
        )
        funding = None
        if dice.chance(18):
            funding = f"{dice.pick(vocabulary.FUNDING_ROUNDS)}, {dice.between(2, 40)}M USD"
        return Company(
            domain,
            name,
            industry,
            employees,
            _place(dice),
            technologies=dice.some(vocabulary.TECHNOLOGIES, dice.between(0, 5)),
            open_roles=dice.some(vocabulary.OPEN_ROLES, dice.number(3)) if dice.chance(45) else (),
            last_funding=funding,
            ownership=ownership,
            revenue_usd=employees * dice.between(90, 220) * 1000 if employees else None,
            ai_initiative=dice.pick(vocabulary.AI_INITIATIVES) if dice.chance(15) else None,
        )

    def _company(self, domain: str) -> Company | None:
        """The company behind a host; a sub-domain of a known company is that company.

        Returns None for free-mail domains: nobody's company.
        """
        host = domain.strip().strip(".").lower()
        labels = host.split(".")
        for start in range(len(labels) - 1):
            parent = ".".join(labels[start:])
            if parent in sample.FREE_MAIL:
                return None
            if known := self._companies.get(parent):
                return known
        if len(labels) < 2:
            return None
        dice = Dice(self.seed, "derived", host)
        words = _SAFE.sub(" ", _ENDING.sub("", host).lower()).split()
        drawn = dice.weighted([(row[0], row[1]) for row in vocabulary.INDUSTRIES])
        industry = next((_SUFFIX_OF[word] for word in words if word in _SUFFIX_OF), drawn)
        return self._describe(host, " ".join(words).title(), industry, dice)

    def _person(self, email: str) -> Person | None:
        """The person behind an address, known or derived; None when it is no address."""
        address = email.strip().lower()
        if known := self._people.get(address):
            return known
        local, at, domain = address.rpartition("@")
        if not (local and at and "." in domain):
            return None
        dice = Dice(self.seed, "person", address)
        parts = [part for part in re.split(r"[._+-]", local) if part.isalpha()]
        first = parts[0].title() if parts else dice.pick(vocabulary.FIRST_NAMES)
        last = parts[1].title() if len(parts) > 1 else dice.pick(vocabulary.LAST_NAMES)
        company = self.company(domain)
        american = company is not None and company.place.country == "US"
        return Person(
            address,
            first,
            last,
            dice.weighted(vocabulary.TITLES) if dice.chance(92) else None,
            domain,
            f"{_SAFE.sub('-', local)}-{fingerprint(self.seed, address)[:6]}",
            dice.weighted([("valid", 94), ("catch_all", 4), ("invalid", 2)]),
            # RB2B knows persons in the United States only.
            dice.weighted([("none", 60), ("partial", 20), ("full", 20)]) if american else "none",
        )

    def person_of_slug(self, slug: str) -> Person | None:
        """The known person with this LinkedIn slug (derived people cannot be found by slug)."""
        return self._slugs.get(slug.strip().strip("/").rpartition("/")[2].lower())

    def address_at(self, company: Company, number: int) -> Person:
        """Person number `number` at a company, as the leads files name them."""
        dice = Dice(self.seed, "staff", company.domain, number)
        first, last = dice.pick(vocabulary.FIRST_NAMES), dice.pick(vocabulary.LAST_NAMES)
        local = f"{ascii_slug(first)}.{ascii_slug(last)}" + (str(number) if number else "")
        person = self.person(f"{local}@{company.domain}")
        assert person is not None
        return Person(person.email, first, last, person.title, company.domain, person.linkedin_slug)


_SUFFIX_OF = {word.lower(): row[0] for row in vocabulary.INDUSTRIES for word in row[2]}


def _place(dice: Dice) -> Place:
    places = dice.weighted(
        [
            (vocabulary.US_PLACES, 78),
            (vocabulary.GB_PLACES, 10),
            (vocabulary.OTHER_PLACES, 8),
            (vocabulary.CONSENT_PLACES, 4),
        ]
    )
    return dice.pick(places)


_LETTERS = str.maketrans("éøłëúčüÉØŁŠČ", "eoleucuEOLSC")


def ascii_slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens: `Stone-Hale` gives `stone-hale`."""
    plain = text.translate(_LETTERS).replace("'", "").lower()
    return _SAFE.sub("-", plain).strip("-")
