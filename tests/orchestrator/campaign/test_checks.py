"""Every question has a campaign in which it fails."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from orchestrator.campaign.checks import ASKED, ask
from orchestrator.campaign.findings import Arrival, Coverage, Findings, Outage, SpendSeen
from orchestrator.campaign.record import BreakerSpan, LeadResult, Question


def lead(**changes: Any) -> LeadResult:
    base: dict[str, Any] = {
        "lead_id": "L-1", "row": 1, "baseline": "shadow_logged",
        "under_faults": ("shadow_logged",), "after": "shadow_logged", "verdict": "same",
    }  # fmt: skip
    return LeadResult(**(base | changes))


def span(state: Any, start: float, end: float, vendor: str = "ghl") -> BreakerSpan:
    return BreakerSpan(vendor=vendor, operation_class="read", state=state, start=start, end=end)


GOOD = Findings(
    sandbox=True,
    leads=(lead(),),
    rounds=12,
    recovery_rounds=1,
    spans=(span("open", 11, 17), span("half_open", 17, 17.2), span("closed", 17.2, 60)),
    outages=(Outage("ghl", 10, 22),),
    # In the grace, the probe, and after it: none of them is a request at a shut door.
    arrivals=(Arrival(11.1, "ghl", "read"), Arrival(17.1, "ghl", "read"),
              Arrival(18, "ghl", "read"), Arrival(12, "clay", "read")),
    calls={"ghl": (100, 20)},
    proposals=({"diagnosis": "outage"},),
    clusters=({"count": 9},),
    audit_ok=True,
    audit_records=40,
    bank_problem=None,
    bank_items=3,
    spend=(SpendSeen("2026-03-10", "*", 5, 10, 5), SpendSeen("2026-03-10", "clay", 5, 10, 5)),
    vendor_writes=0,
    restarts={"ghl": 1},
    restarts_explained=1,
    round_memory=tuple((number, 400.0 + number, 100) for number in range(1, 13)),
    coverage=Coverage(frozenset({("ghl.get", "slow")}), frozenset({("ghl.get", "slow")})),
)  # fmt: skip


def answers(**changes: Any) -> dict[str, Question]:
    return {question.id: question for question in ask(dataclasses.replace(GOOD, **changes))}


def test_a_campaign_in_which_all_went_well_passes_every_question() -> None:
    found = answers()
    assert [name for name, question in found.items() if not question.holds] == []
    assert len(found) == len(ASKED) + 1


def test_coverage_is_asked_of_a_sweep_only() -> None:
    assert "covered" not in answers(coverage=None)


FAILING: list[tuple[str, dict[str, Any]]] = [
    ("breaker_tripped", {"spans": ()}),
    ("breaker_tripped", {"outages": ()}),  # nothing is proven
    ("breaker_tripped", {"spans": (span("open", 30, 36),)}),  # long after the outage
    ("nothing_while_open", {"arrivals": (Arrival(12.0, "ghl", "read"),)}),
    ("nothing_while_open", {"arrivals": None}),  # the twins must tell
    ("one_probe", {"arrivals": tuple(Arrival(17 + n / 50, "ghl", "read") for n in (1, 2))}),
    ("retries_bounded", {"calls": {"ghl": (100, 21)}}),
    ("retries_bounded", {"calls": {}}),
    ("fix_proposed", {"proposals": ()}),
    ("survived", {"restarts_explained": 0}),
    ("survived", {"broken": ("guardrails tool_crashed review_lead KeyError",)}),
    ("survived", {"crashed_rows": 1}),
    ("nothing_lost", {"leads": (lead(verdict="lost"),)}),
    ("nothing_lost", {"leads": ()}),
    ("nothing_doubled", {"leads": (lead(verdict="doubled"),)}),
    ("nothing_different", {"leads": (lead(verdict="different"),)}),
    ("steady_state", {"unsteady": ("row 1: review and blocked",)}),
    ("recovered", {"leads": (lead(after="deferred"),)}),
    ("audit_holds", {"audit_ok": False, "audit_problem": "record 3: rewritten"}),
    ("audit_holds", {"audit_records": 0}),
    ("spend_held", {"spend": (SpendSeen("2026-03-10", "*", 11, 10, 11),)}),
    ("spend_held", {"spend": (SpendSeen("2026-03-10", "clay", 5, 10, 4),)}),
    ("bank_valid", {"bank_problem": "not valid JSON"}),
    ("no_writes", {"vendor_writes": 1}),
    ("no_writes", {"vendor_writes": -1}),  # nobody counted
    ("no_orphans", {"orphans": (4711,)}),
    ("memory_flat", {"round_memory": tuple((n, 400.0 + 10 * n, 100) for n in range(1, 25))}),
    ("memory_flat", {"round_memory": ()}),
    ("files_flat", {"round_memory": tuple((n, 400.0, 100 + 10 * n) for n in range(1, 25))}),
    ("covered", {"coverage": Coverage(frozenset({("ghl.get", "slow")}), frozenset())}),
    ("covered", {"coverage": Coverage(frozenset(), frozenset())}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes"), FAILING)
def test_a_broken_promise_is_told(name: str, changes: dict[str, Any]) -> None:
    question = answers(**changes)[name]
    assert not question.holds
    assert question.answer


def test_every_question_has_been_seen_to_fail() -> None:
    assert {name for name, _ in FAILING} == set(answers())


def test_what_had_left_before_the_breaker_opened_is_counted_apart() -> None:
    evidence = answers()["nothing_while_open"].evidence
    assert evidence["in_grace"] == {"ghl": 1}
    assert evidence["while_open"] == {}


def test_a_breaker_that_was_open_when_the_outage_began_has_tripped() -> None:
    assert answers(spans=(span("open", 9, 30),))["breaker_tripped"].holds


def test_a_real_vendor_is_not_asked_what_only_a_twin_can_tell() -> None:
    found = answers(sandbox=False, arrivals=None, outages=(), spans=())
    assert found["nothing_while_open"].holds
    assert found["one_probe"].holds
    assert found["breaker_tripped"].holds


def test_no_failures_need_no_proposal() -> None:
    assert answers(clusters=(), proposals=())["fix_proposed"].holds
