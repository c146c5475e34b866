"""Asking early whether a lead is out gives what the full evaluation would give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails.model import CompetitorFinding, CrmView, OutreachView, Research, Verdict
from guardrails.policy import GateInputs, evaluate, turned_away, verdict_of
from guardrails.policy.evaluate import ALWAYS
from tests.decision_samples import ANSWER, POLICY, dossier, fact, inputs

NAMES = {rule.name for rule in ALWAYS}
RIVAL = Research(news=(), competitor=CompetitorFinding(is_competitor=True, why="listed"))
QUIET = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def by_evaluation(given: GateInputs) -> bool:
    checks = [check for check in evaluate(given, POLICY, ANSWER) if check.rule in NAMES]
    return verdict_of(checks).severity >= Verdict.BLOCK.severity


@pytest.mark.parametrize(
    ("changes", "away"),
    [
        ({}, False),
        ({"suppression": "email, asked (form)"}, True),
        ({"dossier": dossier({"opted_out": True})}, True),
        ({"dossier": dossier({"email": "robin@gmail.com"})}, True),
        ({"dossier": dossier({"email": None})}, False),
        ({"dossier": dossier({"title": "Intern"})}, False),
        ({"dossier": dossier({"country": "DE"})}, True),
        ({"dossier": dossier({"customer": True})}, True),
        ({"dossier": dossier(crm=CrmView(dnd_email=True))}, True),
        ({"dossier": dossier(crm=None, outreach=None)}, False),
        ({"dossier": dossier(outreach=OutreachView(lead_status="bounced"))}, False),
        ({"dossier": dossier(research=RIVAL)}, True),
        ({"dossier": dossier(facts={"email_status": fact("invalid")})}, True),
        ({"dossier": dossier(facts={"employee_count": fact(3)})}, True),
    ],
)
@pytest.mark.parametrize("draft", [True, False])
def test_is_what_the_rules_asked_of_every_lead_say(
    changes: dict[str, Any], away: bool, draft: bool
) -> None:
    case = inputs(**changes) if draft else inputs(**changes, draft=None)
    assert turned_away(case, POLICY) is away
    assert by_evaluation(case) is away


@QUIET
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.booleans())
def test_agrees_with_the_evaluation_on_any_text(
    email: str, company: str, domain: str, dnd: bool
) -> None:
    lead = {"email": email, "company": company, "domain": domain, "country": company[:2]}
    case = inputs(dossier=dossier(lead, crm=CrmView(dnd_email=dnd)))
    assert turned_away(case, POLICY) == by_evaluation(case)
