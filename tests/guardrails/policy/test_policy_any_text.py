"""No text makes a rule raise, and no rule's answer depends on the order of evaluation."""

from __future__ import annotations

import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails.model import Verdict
from guardrails.policy import GateInputs, evaluate
from tests.decision_samples import ANSWER, CLAIMS, POLICY, dossier, draft, fact, inputs

CODES = st.text(string.printable + "{}[]<>@./:\\%\u202e\u200bäß中ﬀ", max_size=200)
TEXT = st.one_of(st.text(max_size=200), CODES)
DOMAIN = "@birchwood-legal.example"  # no other text is likely to hold it
QUIET = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@QUIET
@given(TEXT, st.sampled_from(("", DOMAIN)), TEXT, TEXT, TEXT)
def test_no_lead_text_raises(
    name: str, at_domain: str, title: str, company: str, domain: str
) -> None:
    lead = {
        "email": name + at_domain,
        "title": title,
        "company": company,
        "domain": domain,
        "website": domain,
        "country": title[:2],
        "state": company,
        "timezone": domain,
    }
    facts = {"title": fact(title), "hiring": fact((company, title)), "parent_domain": fact(domain)}
    checks = evaluate(inputs(dossier=dossier(lead, facts=facts)), POLICY, ANSWER)
    assert not [check for check in checks if DOMAIN in check.text]


@QUIET
@given(TEXT, TEXT, TEXT)
def test_no_draft_text_raises_and_none_passes_by_being_odd(
    subject: str, body: str, evidence: str
) -> None:
    claims = (CLAIMS[0].model_copy(update={"text": subject, "evidence": evidence}), CLAIMS[1])
    written = draft(subject=subject, body=body, claims=claims, links=(body[:80],))
    checks = evaluate(inputs(draft=written), POLICY, ANSWER)
    # a body this short has neither opt-out nor address: whatever it says, it is not sent
    assert max(check.verdict.severity for check in checks) >= Verdict.BLOCK.severity


@QUIET
@given(TEXT, TEXT)
def test_inputs_read_back_from_json_give_the_same_checks(title: str, body: str) -> None:
    before = inputs(dossier=dossier({"title": title}), draft=draft(body=body))
    after = GateInputs.model_validate_json(before.model_dump_json())
    assert evaluate(after, POLICY, ANSWER) == evaluate(before, POLICY, ANSWER)
