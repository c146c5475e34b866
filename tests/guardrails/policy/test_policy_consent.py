"""What the law wants before a first e-mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from guardrails.model import Consent, Verdict
from guardrails.policy import evaluate
from tests.decision_samples import (
    ANSWER,
    BODY,
    DRAFT,
    NOW,
    POLICY,
    dossier,
    draft,
    fact,
    inputs,
    said,
)

R, B = Verdict.REVIEW, Verdict.BLOCK
LATER, EARLIER = NOW + timedelta(days=30), NOW - timedelta(seconds=1)
PLACE = {"state": None, "timezone": "Europe/Berlin"}
UNREAD = {"country_unreadable": R}

CASES: list[tuple[str, dict[str, Any], dict[str, Verdict]]] = [
    ("Germany without consent", {"country": "DE"}, {"consent_missing": B}),
    ("the Netherlands without consent", {"country": "nl"}, {"consent_missing": B}),
    ("Germany by its name, as nobody of ours writes it", {"country": "Germany"}, UNREAD),
    ("a code of three letters", {"country": "DEU"}, UNREAD),
    ("Germany with consent", {"country": "DE", "consent": Consent(basis="express")}, {}),
    (
        "Germany with consent that ran out",
        {"country": "DE", "consent": Consent(basis="express", expires_at=EARLIER)},
        {"consent_expired": B},
    ),
    ("Austria by legitimate interest", {"country": "AT"}, {}),
    ("Canada without consent", {"country": "CA"}, {"casl_consent_missing": B}),
    (
        "Canada, implied and dated",
        {"country": "CA", "consent": Consent(basis="implied", expires_at=LATER)},
        {},
    ),
    (
        "Canada, express and dated",
        {"country": "CA", "consent": Consent(basis="express", expires_at=LATER)},
        {},
    ),
    (
        "Canada, implied and undated",
        {"country": "CA", "consent": Consent(basis="implied")},
        {"casl_no_expiry": B},
    ),
    (
        "Canada, express and undated",
        {"country": "CA", "consent": Consent(basis="express")},
        {"casl_no_expiry": R},
    ),
    (
        "Canada, run out this very moment",
        {"country": "CA", "consent": Consent(basis="implied", expires_at=NOW)},
        {"casl_consent_expired": B},
    ),
    ("no country at all", {"country": None}, {"country_unknown": R}),
    (
        "no country, but a German domain",
        {"country": None, "domain": "northwind.de"},
        {"consent_missing": B},
    ),
    (
        "no country, and a domain that only looks national",
        {"country": None, "domain": "northwind.io"},
        {"country_unknown": R},
    ),
]


@pytest.mark.parametrize(("what", "lead", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_consent(what: str, lead: dict[str, Any], wanted: dict[str, Verdict]) -> None:
    assert said(inputs(dossier=dossier({**PLACE, **lead}))) == wanted, what


def test_where_sources_differ_the_strictest_country_counts() -> None:
    disputed = dossier({"country": "US"}, facts={"country": fact("DE")})
    assert said(inputs(dossier=disputed)) == {"consent_missing": B}


def test_a_first_email_to_the_eu_names_its_source() -> None:
    silent = draft(body=BODY.replace("I found your details via", "We keep"))
    place = dossier({"country": "FR", "timezone": "Europe/Paris"})
    assert said(inputs(dossier=place, draft=silent)) == {"source_not_named": B}
    kingdom = dossier({"country": "UK", "timezone": "Europe/London"})  # GB, as people write it
    assert said(inputs(dossier=kingdom, draft=silent)) == {"source_not_named": B}
    later = silent.model_copy(update={"scope": DRAFT.scope.model_copy(update={"step": 2})})
    assert said(inputs(dossier=place, draft=later)) == {}


def test_the_decision_notes_the_legitimate_interest_and_its_sources() -> None:
    place = dossier({"country": "GB", "timezone": "Europe/London"})
    checks = evaluate(inputs(dossier=place), POLICY, ANSWER)
    note = next(check for check in checks if check.code == "legitimate_interest")
    assert note.verdict is Verdict.PASS
    assert "clay" in note.text
    assert "csv" in note.text
