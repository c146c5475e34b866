"""Whether what a draft says is true, at the moment of decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from guardrails.model import Claim, CrmView, Verdict
from guardrails.policy import evaluate
from tests.decision_samples import (
    ANSWER,
    BODY,
    CLAIMS,
    DRAFT,
    FETCHED,
    HEADLINE,
    NOW,
    POLICY,
    dossier,
    draft,
    fact,
    inputs,
    said,
)

R, B = Verdict.REVIEW, Verdict.BLOCK
COMPANY, ROLE = CLAIMS
NEWS = Claim(
    text="Northwind Studio opens a second office in Springfield",
    kind="company",
    fact="news",
    evidence=HEADLINE.title,
    source="gdelt",
    url=HEADLINE.url,
    fetched_at=FETCHED,
    ttl_days=30,
)
NEWS_BODY = BODY.replace("We act as", f"“{HEADLINE.title}” was good to read. We act as")


def company(**changes: Any) -> tuple[Claim, Claim]:
    """The claims with the company's changed."""
    return COMPANY.model_copy(update=changes), ROLE


CASES: list[tuple[str, dict[str, Any], dict[str, Verdict]]] = [
    ("not in the text", {"text": "a Head of Fun"}, {"claim_not_in_text": B}),
    ("empty", {"text": " "}, {"claim_not_in_text": B}),
    ("one of several values", {"evidence": "Data Analyst"}, {}),
    ("all values, joined by commas", {"evidence": "Data Analyst, Automation Lead"}, {}),
    ("a value nobody fetched", {"evidence": "Head of Fun"}, {"claim_unsupported": B}),
    ("another source", {"source": "rb2b"}, {"claim_unsupported": B}),
    (
        "another fetch",
        {"fetched_at": FETCHED + timedelta(seconds=1)},
        {"claim_unsupported": B},
    ),
    ("a fact nobody knows", {"fact": "funding"}, {"claim_unsupported": B}),
    ("something that is no fact", {"fact": "gut_feeling"}, {"claim_unsupported": B}),
    ("a shorter life than its age", {"ttl_days": 1}, {"claim_stale": B}),
    ("a longer life than the fact's", {"ttl_days": 9999}, {}),
]


@pytest.mark.parametrize(("what", "changes", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_claim(what: str, changes: dict[str, Any], wanted: dict[str, Verdict]) -> None:
    assert said(inputs(draft=draft(claims=company(**changes)))) == wanted, what


def test_evidence_that_was_fresh_when_written_may_be_stale_when_decided() -> None:
    at_ttl = FETCHED + timedelta(days=45)
    assert "claim_stale" not in said(inputs(now=at_ttl))
    assert said(inputs(now=at_ttl + timedelta(seconds=1)))["claim_stale"] is B


def test_evidence_dated_in_the_future_is_refused() -> None:
    ahead = NOW + timedelta(days=2)
    facts = {"hiring": fact(("Data Analyst",), fetched_at=ahead)}
    claims = company(evidence="Data Analyst", fetched_at=ahead)
    assert said(inputs(dossier=dossier(facts=facts), draft=draft(claims=claims))) == {
        "claim_time": B
    }


def test_a_longer_claimed_life_does_not_outlive_the_fact() -> None:
    facts = {"hiring": fact(("Data Analyst",), ttl_days=1)}
    claims = company(evidence="Data Analyst", ttl_days=9999)
    assert said(inputs(dossier=dossier(facts=facts), draft=draft(claims=claims))) == {
        "claim_stale": B
    }


def test_a_headline_is_evidence_when_it_was_found() -> None:
    text = draft(body=NEWS_BODY, claims=(*CLAIMS, NEWS))
    assert said(inputs(draft=text)) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://news.example/other"},
        {"evidence": "Northwind Studio closes"},
        {"source": "google_news"},
        {"fetched_at": FETCHED - timedelta(days=1)},
    ],
)
def test_a_headline_nobody_found_is_no_evidence(changes: dict[str, Any]) -> None:
    text = draft(body=NEWS_BODY, claims=(*CLAIMS, NEWS.model_copy(update=changes)))
    assert said(inputs(draft=text)) == {"claim_unsupported": B}


ON_ROW = ROLE.model_copy(update={"source": "csv", "fetched_at": NOW})


def test_the_row_is_evidence_too() -> None:
    assert said(inputs(draft=draft(claims=(COMPANY, ON_ROW)))) == {}


@pytest.mark.parametrize(
    ("enriched", "wanted"),
    [
        (fact("Vice President, Operations"), {}),  # shares a word
        (fact("Chef"), {"claim_disputed": R}),
        (fact("Chef", confidence=0.2), {}),  # hardly believed itself
    ],
)
def test_a_source_may_contradict_the_row(enriched: Any, wanted: dict[str, Verdict]) -> None:
    row = {"title": "VP Operations"}
    claim = ON_ROW.model_copy(update={"text": "VP Operations", "evidence": "VP Operations"})
    text = draft(
        body=BODY.replace("Chief Operating Officer", "VP Operations"), claims=(COMPANY, claim)
    )
    disputed = dossier(row, facts={"title": enriched})
    assert said(inputs(dossier=disputed, draft=text)) == wanted


def test_numbers_that_differ_contradict() -> None:
    claim = COMPANY.model_copy(
        update={
            "fact": "employee_count",
            "text": "a team of 80",
            "evidence": "80",
            "source": "csv",
            "url": None,
            "fetched_at": NOW,
        }
    )
    text = draft(
        body=BODY.replace("We act as", "You are a team of 80. We act as"), claims=(claim, ROLE)
    )
    given = inputs(dossier=dossier({"employee_count": 80}), draft=text)
    assert said(given) == {"claim_contradicted": B}
    alone = given.dossier.model_copy(update={"facts": {"title": given.dossier.facts["title"]}})
    assert said(inputs(dossier=alone, draft=text)) == {}


def test_an_earlier_contact_is_claimed_only_when_the_crm_has_it() -> None:
    last = NOW - timedelta(days=200)
    claim = Claim(
        text="we spoke",
        kind="other",
        fact="crm",
        evidence=f"last contacted {last:%Y-%m-%d}",
        source="ghl",
        fetched_at=NOW,
        ttl_days=1,
    )
    text = draft(
        body=BODY.replace("We act as", "Since we spoke: we act as"), claims=(*CLAIMS, claim)
    )
    known = CrmView(contact_id="c1", last_contacted_at=last)
    assert said(inputs(dossier=dossier(crm=known), draft=text)) == {}
    assert said(inputs(draft=text)) == {"claim_unsupported": B}


@pytest.mark.parametrize("kept", [(COMPANY,), (ROLE,), ()])
def test_a_draft_needs_a_company_and_a_role_claim(kept: tuple[Claim, ...]) -> None:
    assert said(inputs(draft=draft(claims=kept))) == {"not_specific": B}


def test_the_plain_template_needs_no_claims() -> None:
    plain = draft(claims=(), scope=DRAFT.scope.model_copy(update={"angle": "plain"}))
    assert said(inputs(draft=plain)) == {}


def test_reasons_do_not_name_the_person() -> None:
    name = ROLE.model_copy(update={"fact": "first_name", "text": "Ana", "evidence": "Anna"})
    checks = evaluate(inputs(draft=draft(claims=(*CLAIMS, name))), POLICY, ANSWER)
    failing = [check for check in checks if check.verdict is B]
    assert [check.code for check in failing] == ["claim_unsupported"]
    assert "Ana" not in failing[0].text
