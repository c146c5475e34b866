"""Conditions of the twins: each measurable fix has one that its patch, and only it, ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardrails.brakes.failures import Cluster
from guardrails.config.loader import packaged_file
from guardrails.config.models import Production
from orchestrator.fixes.conditions import condition_of
from orchestrator.fixes.finding import Setting
from orchestrator.fixes.patching import patched
from orchestrator.fixes.propose import diagnosed
from servers.sandbox.behaviour import Behaviour
from tests.orchestrator.fixes.clusters import cluster

PACKAGED: dict[str, Any] = json.loads(packaged_file("production").read_text())
SLOW = cluster("timeout", "no answer (ReadTimeout)")
STORM = cluster("rate_limit", "HTTP 429", status=429, leads=2)
MEASURABLE = [
    SLOW,
    cluster("timeout", "no answer (ReadTimeout)", vendor="clay"),
    STORM,
    cluster("version_header", "HTTP 400: Invalid API version segment", status=400),
    cluster("schema_drift", "field contacts: missing; beside it: people"),
]


def both(found: Cluster) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The condition, and the documents that run without and with the patch."""
    (fix,) = diagnosed([found], Setting(PACKAGED, PACKAGED))
    condition = condition_of(fix, PACKAGED)
    assert condition is not None
    after = patched(fix.patch, PACKAGED, PACKAGED)
    return condition, condition.scaled(PACKAGED), condition.scaled(after)


@pytest.mark.parametrize("found", MEASURABLE, ids=lambda one: f"{one.vendor}-{one.kind}")
def test_a_condition_is_one_that_the_twins_take_and_both_runs_are_valid(found: Cluster) -> None:
    condition, without, with_patch = both(found)
    Behaviour.model_validate(condition.switches)
    for document in (without, with_patch):
        Production.model_validate_json(json.dumps(document))
    assert found.kind in condition.kinds
    assert condition.vendor == found.vendor


def test_a_slow_answer_comes_between_the_two_limits() -> None:
    condition, without, with_patch = both(SLOW)
    latency = condition.switches["vendor_latency_ms"]["ghl"] / 1000
    before = without["vendors"]["ghl"]["timeouts"]["read"]
    after = with_patch["vendors"]["ghl"]["timeouts"]["read"]
    assert before * 1.2 < latency < after / 1.2
    assert after == pytest.approx(2 * before, rel=0.01)


def test_a_smaller_quota_lies_below_our_old_limit_and_not_below_the_new_one() -> None:
    condition, without, with_patch = both(STORM)
    burst = condition.switches["ghl_burst"]
    assert without["vendors"]["ghl"]["limits"]["requests"] > burst
    assert with_patch["vendors"]["ghl"]["limits"]["requests"] <= burst
    assert condition.vendor_limits  # else the twins would not enforce it


@pytest.mark.parametrize(
    "found",
    [
        cluster("timeout", "no answer (ConnectTimeout)"),
        cluster("rate_limit", "HTTP 429", vendor="instantly", status=429),
        cluster("auth_key", "HTTP 401"),
        cluster("tls", "certificate has expired"),
        cluster("schema_drift", "field contacts.id: string_type; beside it: zip"),
    ],
    ids=lambda one: f"{one.vendor}-{one.kind}",
)
def test_what_no_twin_can_reproduce_gets_no_condition(found: Cluster) -> None:
    (fix,) = diagnosed([found], Setting(PACKAGED, PACKAGED))
    assert condition_of(fix, PACKAGED) is None
