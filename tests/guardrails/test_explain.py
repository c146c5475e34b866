"""A decision told to a person, from the record alone."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.decisions import intake_body, review_body
from guardrails.explain import explain
from guardrails.model import (
    BankAnswer,
    BankCitation,
    GoldenMatch,
    LeadState,
    Mode,
    Reason,
    Verdict,
)
from guardrails.policy import GateInputs, evaluate
from tests.decision_samples import ANSWER, POLICY, dossier, draft, inputs

CITED = BankAnswer(
    verdict=Verdict.BLOCK,
    text="A failing pattern: 4.0 failures of 4.0 trials.",
    citations=(
        BankCitation(
            item_id="LF-7",
            kind="learned_failure",
            title="Failures of agency x hiring",
            level="segment_angle_persona",
            effect="block",
            k=4,
            n=4,
            prior="Beta(0.5, 4.5)",
            posterior="Beta(4.5, 4.5)",
            probability=0.89,
            threshold=0.8,
            trust="human",
            evidence=("e-4", "e-3"),
            reason="rejection on 2026-03-01.",
            would_pass_if="another angle is used",
        ),
    ),
    golden=GoldenMatch(matched=True, item_id="GS-1", title="Agency founders", similarity=0.8),
    bank_version="7+abc",
)


def record(given: GateInputs, answer: BankAnswer | None = ANSWER) -> dict[str, Any]:
    """A record as the audit would hold it."""
    checks = evaluate(given, POLICY, answer)
    return {
        "kind": "review",
        "audit_id": "A-1",
        "decision_id": "D-1",
        "lead_id": "L-1",
        "run_id": "run-1",
        "seq": 12,
        "chain": "sandbox",
        "at": "2026-03-10T14:00:00.000000Z",
        "hash": "f" * 64,
        "body": review_body(given, POLICY, checks, answer, "d" * 64),
    }


def test_a_pass_says_what_would_have_happened_and_when() -> None:
    text = explain(record(inputs()))
    assert text.startswith("L-1: shadow logged. It would have been sent.")
    assert "ICP score 82 (tier 1)" in text
    assert "It could go out from 2026-03-10T14:00:00.000000Z" in text
    assert "Record A-1, number 12" in text
    assert "audit/2026-03-10.jsonl" in text
    assert "Sandbox" in text


def test_failures_stand_before_passes_with_their_remedies() -> None:
    text = explain(record(inputs(draft=draft(subject="Re: you"))))
    assert text.index("Blocked (") < text.index("Passed (")
    assert "- subject [fake_reply]" in text
    assert "subject_length: it has 10 to 60." in text
    assert "fake_reply: nothing: this rule stands." in text


def test_the_bank_speaks_with_its_numbers() -> None:
    text = explain(record(inputs(), CITED))
    for part in (
        "LF-7 (block, segment_angle_persona)",
        "4 failures of 4; prior Beta(0.5, 4.5), posterior Beta(4.5, 4.5)",
        "P = 0.89 against 0.8",
        "Passes if another angle is used.",
        "Events: e-4, e-3.",
        "Yes: Agency founders (GS-1), 80% alike.",
    ):
        assert part in text


def test_a_lead_without_draft_or_score_is_told_too() -> None:
    text = explain(record(inputs(draft=None, qualification=None), None))
    assert "Not scored." in text
    assert "No draft was written." in text
    assert "Not asked: there was no draft." in text


def test_failed_lookups_are_named() -> None:
    failed = dossier(crm=None, problems=(Reason(code="ghl_down", text="No answer."),))
    text = explain(record(inputs(dossier=failed)))
    assert "CRM not asked" in text
    assert "Failed: ghl_down." in text


@pytest.mark.parametrize("state", [LeadState.INVALID, LeadState.DUPLICATE])
def test_a_rejected_row_is_told_with_field_and_remedy(state: LeadState) -> None:
    reason = Reason(code="bad", text="No address.", field="email", remedy="Give one.")
    body = intake_body(4, state, [reason], Mode.SHADOW, True, "2026-03-10T14:00:00.000000Z")
    text = explain({**record(inputs()), "kind": "intake", "body": body})
    assert f"L-1: {state.value}." in text
    assert "bad (field email): No address." in text
    assert "Give one." in text


def test_records_of_other_kinds_are_told_plainly() -> None:
    other = {**record(inputs()), "kind": "stop", "lead_id": None, "body": {"reason": "fire drill"}}
    assert "reason: fire drill" in explain(other)
