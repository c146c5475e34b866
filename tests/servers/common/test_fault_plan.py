"""The plan chooses by hash: same configuration, same faults, whatever the order or process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import pytest

from guardrails.config import load_config
from guardrails.config.models import FailureInjection, Fault, Production
from guardrails.errors import ConfigError
from guardrails.model import Mode
from servers.common.fault_plan import (
    GATEWAY_FAULTS,
    HTTP_FAULTS,
    PROCESS_FAULTS,
    FaultPlan,
    require_injection_allowed,
)

SITE = "ghl.search_contacts"


def config(**changes: Any) -> FailureInjection:
    return FailureInjection.model_validate(
        {"enabled": True, "rate": 0.3, "seed": 7, "faults": HTTP_FAULTS} | changes
    )


def faults(plan: FaultPlan, count: int = 500) -> list[str | None]:
    return [plan.fault_for(SITE, f"request {n}", 1, None) for n in range(count)]


def test_every_fault_of_the_configuration_belongs_to_exactly_one_kind() -> None:
    named = [*HTTP_FAULTS, *PROCESS_FAULTS, *GATEWAY_FAULTS]
    assert sorted(named) == sorted(Fault.__args__)  # type: ignore[attr-defined]


def test_other_processes_choose_the_same_faults_whatever_their_hash_seed() -> None:
    code = (
        "from servers.common.fault_plan import *\n"
        "from guardrails.config.models import FailureInjection\n"
        "c = FailureInjection(enabled=True, rate=0.3, seed=7, faults=HTTP_FAULTS)\n"
        "p = FaultPlan(c)\n"
        f"print([p.fault_for({SITE!r}, f'request {{n}}', 1, None) for n in range(500)])"
    )
    for seed in ("0", "1234"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert told.strip() == str(faults(FaultPlan(config())))


def test_the_order_of_calls_changes_nothing() -> None:
    asked = [(f"request {n}", occurrence) for n in range(300) for occurrence in (1, 2, 3)]
    plan = FaultPlan(config())
    first = {key: plan.fault_for(SITE, *key, None) for key in asked}
    random.Random(3).shuffle(asked)
    assert {key: plan.fault_for(SITE, *key, None) for key in asked} == first


def test_the_order_in_the_configuration_changes_nothing() -> None:
    turned = FaultPlan(config(faults=tuple(reversed(HTTP_FAULTS))))
    assert faults(turned) == faults(FaultPlan(config()))


@pytest.mark.parametrize(
    ("site", "identity", "occurrence", "seed"),
    [
        ("ghl.get_contact", "request", 1, 7),
        (SITE, "another", 1, 7),
        (SITE, "request", 2, 7),
        (SITE, "request", 1, 8),
    ],
)
def test_seed_site_request_and_occurrence_each_matter(site, identity, occurrence, seed) -> None:
    plan, other = FaultPlan(config()), FaultPlan(config(seed=seed))
    assert other.draw("hit", site, identity, occurrence) != plan.draw("hit", SITE, "request", 1)


def test_who_asks_does_not_matter_to_the_random_faults() -> None:
    plan = FaultPlan(config())
    assert [plan.fault_for(SITE, f"request {n}", 1, "L-1") for n in range(500)] == faults(plan)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_the_rate_and_the_shares_of_the_faults_are_those_asked_for(rate: float) -> None:
    draws = 100_000
    hit = [fault for fault in faults(FaultPlan(config(rate=rate)), draws) if fault]
    expected = rate * draws
    assert abs(len(hit) - expected) < 5 * (expected * (1 - rate)) ** 0.5  # five deviations
    share = expected / len(HTTP_FAULTS)
    for fault in HTTP_FAULTS:
        assert abs(hit.count(fault) - share) < 5 * share**0.5, fault


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0), (1.0, 500)])
def test_rate_nought_faults_nothing_and_rate_one_everything(rate: float, share: int) -> None:
    assert sum(f is not None for f in faults(FaultPlan(config(rate=rate)))) == share


def test_only_allowed_faults_are_put_and_those_of_processes_never() -> None:
    allowed = ("http_503", "reset", "server_killed", "torn_bank", "duplicate_webhook")
    plan = FaultPlan(config(rate=1.0, faults=allowed))
    assert set(faults(plan)) == {"http_503", "reset"}
    assert set(faults(FaultPlan(config(rate=1.0, faults=PROCESS_FAULTS)))) == {None}


def test_a_plan_that_is_not_enabled_faults_nothing() -> None:
    target = {"lead_id": "L-1", "site": SITE, "fault": "reset"}
    plan = FaultPlan(config(enabled=False, rate=1.0, targets=[target]))
    assert set(faults(plan)) == {None}
    assert plan.fault_for(SITE, "request", 1, "L-1") is None


def test_a_target_gets_exactly_its_fault_once_and_nothing_else_is_faulted() -> None:
    target = {"lead_id": "L-1", "site": SITE, "fault": "created_422"}
    plan = FaultPlan(config(rate=0.0, faults=(), targets=[target]))
    assert plan.fault_for(SITE, "request", 1, "L-1") == "created_422"
    assert plan.fault_for(SITE, "request", 2, "L-1") is None
    assert plan.fault_for(SITE, "another", 1, "L-1", visit=2) is None
    assert plan.fault_for(SITE, "request", 1, "L-2") is None
    assert plan.fault_for(SITE, "request", 1, None) is None
    assert plan.fault_for("ghl.get_contact", "request", 1, "L-1") is None


def test_several_targets_of_one_site_are_taken_in_turn() -> None:
    targets = [{"lead_id": "L-1", "site": SITE, "fault": f} for f in ("reset", "http_500")]
    plan = FaultPlan(config(rate=0.0, targets=targets))
    given = [plan.fault_for(SITE, "request", n, "L-1") for n in (1, 2, 3)]
    assert given == ["reset", "http_500", None]


def test_a_target_that_no_attempt_can_get_is_left_to_the_campaign() -> None:
    target = {"lead_id": "L-1", "site": SITE, "fault": "server_killed"}
    plan = FaultPlan(config(rate=0.0, targets=[target]))
    assert plan.fault_for(SITE, "request", 1, "L-1") is None


def test_beside_targets_the_rate_still_holds() -> None:
    target = {"lead_id": "L-1", "site": SITE, "fault": "reset"}
    assert faults(FaultPlan(config(targets=[target]))) == faults(FaultPlan(config()))


def production(mode: Mode, *, enabled: bool) -> Production:
    found = load_config(None).production
    injection = found.failure_injection.model_copy(update={"enabled": enabled})
    return found.model_copy(update={"mode": mode, "failure_injection": injection})


@pytest.mark.parametrize("mode", [Mode.ASSISTED, Mode.LIVE])
def test_chaos_never_runs_against_real_sends(mode: Mode) -> None:
    with pytest.raises(ConfigError, match="never put among real sends"):
        require_injection_allowed(production(mode, enabled=True), sandbox=False)


@pytest.mark.parametrize(
    ("mode", "enabled", "sandbox"),
    [(Mode.SHADOW, True, False), (Mode.LIVE, True, True), (Mode.LIVE, False, False)],
)
def test_chaos_may_run_in_shadow_and_against_twins(mode, enabled, sandbox) -> None:
    require_injection_allowed(production(mode, enabled=enabled), sandbox=sandbox)
