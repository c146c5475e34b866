"""A look-up that was not made is never "nothing found"."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.model import Reason, Verdict
from guardrails.policy import CompiledPolicy, evaluate
from tests.decision_samples import (
    ANSWER,
    QUALIFICATION,
    dossier,
    inputs,
    policy_document,
    said,
    verdict,
)

W = Verdict.DEFER


@pytest.mark.parametrize("part", ["crm", "outreach", "research"])
def test_a_missing_lookup_defers_the_draft(part: str) -> None:
    assert said(inputs(dossier=dossier(**{part: None}))) == {"lookup_failed": W}


def test_a_failed_lookup_defers_the_draft() -> None:
    failed = dossier(problems=(Reason(code="vendor_unavailable", text="GHL timed out."),))
    assert said(inputs(dossier=failed)) == {"lookup_failed": W}


SILENT = Reason(code="enrichment_incomplete", text="clay (capped): no room. Unknown: industry.")


def test_an_enrichment_that_a_source_left_incomplete_defers_the_draft() -> None:
    assert said(inputs(dossier=dossier(problems=(SILENT,)))) == {"lookup_failed": W}


def test_a_low_score_is_not_final_while_a_source_could_not_be_heard() -> None:
    low = QUALIFICATION.model_copy(update={"score": 5, "tier": 4, "unknown": ("industry",)})
    heard = inputs(dossier=dossier(), qualification=low, draft=None)
    silent = inputs(dossier=dossier(problems=(SILENT,)), qualification=low, draft=None)
    assert verdict(heard) is Verdict.DISQUALIFY
    assert verdict(silent) is Verdict.DEFER


def test_a_competitor_stays_turned_away_whatever_else_is_unknown() -> None:
    rival = dossier({"domain": "jasper.ai"}, problems=(SILENT,))
    assert verdict(inputs(dossier=rival, draft=None)) is Verdict.DISQUALIFY


def test_a_draft_for_somebody_who_was_never_scored_waits() -> None:
    assert said(inputs(qualification=None)) == {"not_qualified": W}


def test_a_draft_that_the_bank_never_saw_waits() -> None:
    assert said(inputs(), None) == {"bank_not_consulted": W}


@pytest.mark.parametrize("worse", [Verdict.REVIEW, Verdict.BLOCK])
def test_the_bank_is_heard(worse: Verdict) -> None:
    assert verdict(inputs(), ANSWER.model_copy(update={"verdict": worse})) is worse


def test_no_draft_defers_with_the_crafters_reasons() -> None:
    notes = (Reason(code="no_template", text="Nothing fits.", remedy="a template is added"),)
    assert said(inputs(draft=None, notes=notes)) == {"no_template": W}
    assert said(inputs(draft=None)) == {"no_draft": W}


@pytest.mark.parametrize(
    "lead",
    [
        {"country": "US", "state": None},
        {"country": "BR", "state": None},
        {"country": "US", "state": "Atlantis"},
        {"country": "US", "state": None, "timezone": "Mars/Olympus"},
    ],
)
def test_an_unknown_time_zone_defers(lead: dict[str, Any]) -> None:
    assert said(inputs(dossier=dossier(lead))) == {"timezone_unknown": W}


def test_a_window_that_never_opens_defers() -> None:
    document = policy_document()
    window = document.sending_window.model_copy(update={"days": ()})
    closed = CompiledPolicy(document.model_copy(update={"sending_window": window}))
    checks = evaluate(inputs(), closed, ANSWER)
    assert [c.code for c in checks if c.verdict is not Verdict.PASS] == ["no_sending_time"]
