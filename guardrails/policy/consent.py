"""What the law wants before a first e-mail. Owns: consent and legitimate interest, by country.

Any country stated for the person counts; where sources differ, the strictest applies. Without one,
the domain's country code does; without that a person must look. Not legal advice.
"""

from __future__ import annotations

import re

from guardrails.model import Consent
from guardrails.policy.case import Case, utc
from guardrails.policy.rules import Findings, Rule, block, passed, review

_CODE = re.compile(r"[A-Z]{2}\Z")


def country_known(case: Case) -> Findings:
    """Where it is not, nobody can say which law applies."""
    if not case.countries:
        yield review(
            "country_unknown",
            "The country is unknown, so nobody can say which consent rules apply.",
            "the country is known",
        )
    unread = [name for name in sorted(case.countries) if not _CODE.match(name)]
    if unread:  # Germany would not be found under DE
        text = f"{unread[0]!r:.40} is no country code, so nobody can say which consent rules apply."
        yield review("country_unreadable", text, "it is given as ISO 3166-1 alpha-2")


def recorded_consent(case: Case) -> Findings:
    """Countries where cold e-mail needs consent on record."""
    required = case.countries & frozenset(case.policy.who.consent_required_countries)
    for country in sorted(required):
        consent = case.lead.consent
        if consent is None:
            text = f"{country} needs recorded consent before a first e-mail; none is on record."
            yield block("consent_missing", text, "consent is recorded")
        elif expired(consent, case):
            text = f"The consent on record ran out {consent.expires_at:%Y-%m-%d} ({country})."
            yield block("consent_expired", text, "consent is renewed")
        else:
            yield passed(f"{country}: {described(consent)}.", "consent_recorded")


def casl(case: Case) -> Findings:
    """Canada: express or implied consent with an expiry date."""
    consent = case.lead.consent
    for country in sorted(case.countries & frozenset(case.policy.who.casl_countries)):
        if consent is None:
            text = f"CASL ({country}): neither express nor implied consent is on record."
            yield block("casl_consent_missing", text, "consent and its expiry date are recorded")
        elif expired(consent, case):
            text = (
                f"CASL ({country}): {consent.basis} consent ran out {consent.expires_at:%Y-%m-%d}."
            )
            yield block("casl_consent_expired", text, "consent is renewed")
        elif consent.expires_at is None and consent.basis == "implied":
            text = f"CASL ({country}): implied consent without an expiry date is not usable."
            yield block("casl_no_expiry", text, "the expiry date is recorded")
        elif consent.expires_at is None:
            text = f"CASL ({country}): express consent has no expiry date on record."
            yield review("casl_no_expiry", text, "the expiry date is recorded")
        else:
            yield passed(f"CASL ({country}): {described(consent)}.", "consent_recorded")


def legitimate_interest(case: Case) -> Findings:
    """EU and UK: note the interest, and name the source at the first contact."""
    places = case.countries & frozenset(case.policy.who.legitimate_interest_countries)
    if not places:
        return
    where = ", ".join(sorted(places))
    draft = case.draft
    named = bool(draft and case.policy.sources.search(case.body.casefold()))
    if draft is not None and draft.scope.step == 1 and not named:
        yield block(
            "source_not_named",
            f"GDPR ({where}): a first e-mail says where the details come from; this one does not.",
            "the draft names the source of the person's details",
        )
    facts = case.inputs.dossier.facts.values()
    sources = sorted({case.lead.source, *(fact.source for fact in facts)})
    yield passed(
        f"GDPR ({where}): legitimate interest on record: an offer to a business about its work, "
        f"to a person in that role; data from {', '.join(sources)}; opt-out in every e-mail; "
        "an objection ends it for good.",
        "legitimate_interest",
    )


def expired(consent: Consent, case: Case) -> bool:
    """Whether it has run out at the moment of decision."""
    return consent.expires_at is not None and utc(consent.expires_at) <= case.inputs.now


def described(consent: Consent) -> str:
    """The consent in words, without naming the person."""
    parts = [f"{consent.basis} consent on record"]
    if consent.recorded_at is not None:
        parts.append(f"since {consent.recorded_at:%Y-%m-%d}")
    if consent.expires_at is not None:
        parts.append(f"until {consent.expires_at:%Y-%m-%d}")
    if consent.source:
        parts.append(f"from {consent.source}")
    return ", ".join(parts)


RULES = (
    Rule("country", "The country is known.", country_known),
    Rule("consent", "No country here asks for recorded consent.", recorded_consent),
    Rule("casl", "Not in Canada.", casl),
    Rule("gdpr", "Neither in the EU nor in the UK.", legitimate_interest),
)
