"""Whom we may write to: each rule passes, fails, and holds at its edges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from guardrails.model import CompetitorFinding, CrmView, OutreachView, Reason, Research, Verdict
from guardrails.policy import CompiledPolicy, evaluate
from tests.decision_samples import (
    ANSWER,
    DOSSIER,
    NOW,
    QUALIFICATION,
    dossier,
    fact,
    inputs,
    policy_document,
    said,
    verdict,
)

D, R, W, B = Verdict.DISQUALIFY, Verdict.REVIEW, Verdict.DEFER, Verdict.BLOCK
COMPETITOR = Research(
    competitor=CompetitorFinding(is_competitor=True, matched="x.example", why="w")
)

CASES: list[tuple[str, dict[str, Any], dict[str, Verdict]]] = [
    ("a company of nine", {"facts": {"employee_count": fact(9)}}, {"too_small": D}),
    ("a company of ten", {"facts": {"employee_count": fact(10)}}, {}),
    (
        "a row that says nine where enrichment says 120",
        {"lead": {"employee_count": 9}},
        {"size_disputed": R},
    ),
    (
        "nine employees said twice",
        {"lead": {"employee_count": 8}, "facts": {"employee_count": fact(9)}},
        {"too_small": D},
    ),
    ("a .gov domain", {"lead": {"domain": "parks.gov"}}, {"institution_domain": D}),
    ("a .GOV domain in capitals", {"lead": {"domain": "Parks.GOV"}}, {"institution_domain": D}),
    ("a British council", {"lead": {"domain": "x.gov.uk"}}, {"institution_domain": D}),
    ("a .mil domain", {"lead": {"domain": "base.mil"}}, {"institution_domain": D}),
    ("a .edu domain", {"lead": {"domain": "cs.school.edu"}}, {"institution_domain": D}),
    ("a university in Japan", {"lead": {"domain": "lab.u.ac.jp"}}, {"institution_domain": D}),
    ("an invented government", {"lead": {"domain": "city.gov.example"}}, {"institution_domain": D}),
    ("a company named gov", {"lead": {"domain": "gov.example"}}, {}),
    ("a company ending in edu", {"lead": {"domain": "fooedu.example"}}, {}),
    ("a company in academia's name", {"lead": {"domain": "ac-studio.example"}}, {}),
    ("a public owner", {"facts": {"ownership": fact("Government")}}, {"institution": D}),
    ("a non-profit owner", {"facts": {"ownership": fact("nonprofit")}}, {"institution": D}),
    ("a private owner", {"facts": {"ownership": fact("private")}}, {}),
    (
        "higher education as industry",
        {"lead": {"industry": "Higher Education"}},
        {"institution": D},
    ),
    ("a charity by name", {"lead": {"company": "Northwind Charity"}}, {"institution_name": R}),
    ("a name that only contains a word", {"lead": {"company": "Foundational Labs"}}, {}),
    ("a customer by row", {"lead": {"customer": True}}, {"customer": D}),
    ("a customer by CRM", {"crm": CrmView(is_customer=True)}, {"customer": D}),
    (
        "a customer's subsidiary by CRM",
        {"crm": CrmView(customer_domain="parent.example")},
        {"customer": D},
    ),
    ("a competitor", {"lead": {"domain": "jasper.ai"}}, {"competitor_domain": D}),
    ("a competitor's subdomain", {"lead": {"domain": "eu.Jasper.AI"}}, {"competitor_domain": D}),
    (
        "a competitor's subsidiary",
        {"facts": {"parent_domain": fact("compunnel.com")}},
        {"competitor_domain": D},
    ),
    ("a domain that ends like a competitor's", {"lead": {"domain": "notjasper.ai"}}, {}),
    ("a competitor by research", {"research": COMPETITOR}, {"competitor_research": D}),
    (
        "a competitor's name alone",
        {"lead": {"company": "LEMLIST Agency"}},
        {"competitor_name": R},
    ),
    (
        "a website of a competitor",
        {"lead": {"website": "https://www.copy.ai/x"}},
        {"competitor_domain": D},
    ),
    ("an excluded partner", {"lead": {"domain": "app.clay.com"}}, {"excluded_partner": D}),
    ("an opt-out", {"lead": {"opted_out": True}}, {"opted_out": D}),
    ("the row's own words", {"lead": {"do_not_contact": "do not email"}}, {"do_not_contact": D}),
    ("DND in the CRM", {"crm": CrmView(dnd_email=True)}, {"dnd": D}),
    ("the block list", {"outreach": OutreachView(blocked=True)}, {"blocked_outreach": D}),
    (
        "an unsubscribe",
        {"outreach": OutreachView(lead_status="unsubscribed")},
        {"unsubscribed": D},
    ),
    (
        "not interested",
        {"outreach": OutreachView(interest="Not interested")},
        {"not_interested": R},
    ),
    ("in a campaign", {"outreach": OutreachView(lead_status="active")}, {"in_campaign": R}),
    ("a finished campaign", {"outreach": OutreachView(lead_status="completed")}, {}),
    ("an intern", {"lead": {"title": "Marketing Intern"}}, {"title_review": R}),
    ("an INTERN by enrichment", {"facts": {"title": fact("INTERN")}}, {"title_review": R}),
    ("an international role", {"lead": {"title": "Head of International Sales"}}, {}),
    ("a freelancer", {"lead": {"title": "Freelance Consultant"}}, {"title_review": R}),
    (
        "contacted 89 days ago",
        {"lead": {"last_contacted_at": NOW - timedelta(days=89)}},
        {"contacted_recently": R},
    ),
    ("contacted 90 days ago", {"lead": {"last_contacted_at": NOW - timedelta(days=90)}}, {}),
    (
        "contacted by CRM without a zone in the time",
        {"crm": CrmView(last_contacted_at=(NOW - timedelta(days=3)).replace(tzinfo=None))},
        {"contacted_recently": R},
    ),
    ("a domain nobody can read", {"lead": {"domain": "not a domain"}}, {"domain_unreadable": R}),
]


@pytest.mark.parametrize(("what", "changes", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_who(what: str, changes: dict[str, Any], wanted: dict[str, Verdict]) -> None:
    given = inputs(dossier=dossier(**changes), draft=None, notes=(Reason(code="n", text="n"),))
    found = said(given)
    found.pop("n", None)  # no draft here: that note is not the subject
    assert found == wanted, what


def test_a_suppressed_address_is_never_written_to() -> None:
    assert said(inputs(suppression="email, unsubscribe (instantly)"))["suppressed"] is D


@pytest.mark.parametrize(
    "domain", ["acme.example", "shop.ACME.example", "xn--bcher-kva.acme.example"]
)
def test_a_configured_customer_covers_its_subdomains_in_any_case(domain: str) -> None:
    policy = CompiledPolicy(policy_document(customers=("acme.example",)))
    checks = evaluate(inputs(dossier=dossier({"domain": domain})), policy, ANSWER)
    assert [c.code for c in checks if c.verdict is D] == ["customer"]


def test_an_idn_customer_is_found_in_either_spelling() -> None:
    policy = CompiledPolicy(policy_document(customers=("xn--bcher-kva.example",)))
    checks = evaluate(inputs(dossier=dossier({"domain": "Bücher.example"})), policy, ANSWER)
    assert [c.code for c in checks if c.verdict is D] == ["customer"]


@pytest.mark.parametrize(("score", "wanted"), [(39, {"below_icp": D}), (40, {})])
def test_the_minimum_score_is_a_floor(score: int, wanted: dict[str, Verdict]) -> None:
    qualification = QUALIFICATION.model_copy(update={"score": score})
    assert said(inputs(qualification=qualification)) == wanted


def test_a_low_score_with_failed_lookups_is_not_final() -> None:
    low = QUALIFICATION.model_copy(update={"score": 12, "unknown": ("size",)})
    broken = dossier(problems=(Reason(code="clay_down", text="Clay did not answer."),))
    found = said(inputs(qualification=low, dossier=broken))
    assert found == {"below_icp_for_now": W, "lookup_failed": W}


def test_one_bad_domain_among_good_ones_is_enough() -> None:
    spoiled = dossier({"email": "ana@mail.jasper.ai"})
    assert verdict(inputs(dossier=spoiled)) is D


def test_a_lead_blocked_before_writing_is_not_asked_for_lookups_nobody_made() -> None:
    german = dossier({"country": "DE", "timezone": "Europe/Berlin"}, crm=None, outreach=None)
    assert said(inputs(dossier=german, draft=None, qualification=None)) == {"consent_missing": B}


def test_a_disqualified_lead_is_not_asked_for_lookups_nobody_made() -> None:
    bare = DOSSIER.model_copy(update={"crm": None, "outreach": None, "research": None})
    lead = bare.lead.model_copy(update={"customer": True})
    turned = inputs(dossier=bare.model_copy(update={"lead": lead}), draft=None, qualification=None)
    assert said(turned) == {"customer": D}


def test_reasons_never_repeat_a_personal_address() -> None:
    spoiled = dossier(
        {"do_not_contact": "ask ana@northwind.example"},
        research=Research(
            competitor=CompetitorFinding(is_competitor=True, why="says boss@firm.example")
        ),
        problems=(Reason(code="x", text="failed for ana.reyes@northwind.example"),),
    )
    checks = evaluate(inputs(dossier=spoiled), CompiledPolicy(policy_document()), ANSWER)
    assert not [c.text for c in checks if "@" in c.text]
