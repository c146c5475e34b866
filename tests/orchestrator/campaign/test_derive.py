from __future__ import annotations

import dataclasses
from pathlib import Path

from guardrails.config import load_config, policy_version
from guardrails.config.models.production import FaultTarget
from guardrails.model import Mode
from orchestrator.campaign.derive import OPEN_S, derive
from orchestrator.campaign.plan import ALL_FAULTS, Plan

CONFIG = load_config()
PLAN = Plan("random", 60.0, 0.2, 3, ALL_FAULTS, True, Path("leads.csv"), Path("h"))


def test_only_the_servers_faults_and_the_rate_differ_between_the_two(tmp_path: Path) -> None:
    derived = derive(PLAN, CONFIG, tmp_path / "config")
    steady, faulty = load_config(derived.steady), load_config(derived.faulty)
    assert policy_version(steady) == policy_version(faulty)
    assert steady.production.failure_injection.enabled  # so that call sites are recorded
    assert steady.production.failure_injection.rate == 0
    injection = faulty.production.failure_injection
    assert (injection.rate, injection.seed) == (0.2, 3)
    assert injection.faults == PLAN.http_faults
    assert faulty.production == derived.production


def test_no_rule_about_leads_is_touched(tmp_path: Path) -> None:
    derived = derive(PLAN, CONFIG, tmp_path / "config")
    theirs = load_config(derived.faulty)
    for name in ("icp", "policy", "competitors", "exclusions", "templates", "golden_set"):
        assert getattr(theirs, name) == getattr(CONFIG, name)
    assert theirs.production.sending_limits == CONFIG.production.sending_limits


def test_against_real_vendors_nothing_is_scaled_and_the_mode_is_shadow(tmp_path: Path) -> None:
    real = dataclasses.replace(PLAN, sandbox=False)
    derived = derive(real, CONFIG, tmp_path / "config")
    assert derived.scaled == {}
    assert derived.production.mode is Mode.SHADOW
    same = {
        "failure_injection": CONFIG.production.failure_injection,
        "mode": CONFIG.production.mode,
    }
    assert derived.production.model_copy(update=same) == CONFIG.production


def test_in_the_sandbox_waits_are_short_and_it_is_said(tmp_path: Path) -> None:
    derived = derive(PLAN, CONFIG, tmp_path / "config")
    production = derived.production
    assert production.breaker.open_s == OPEN_S
    assert production.vendors.ghl.timeouts.total <= 6
    assert production.work.call_timeout_s > 2 * production.vendors.clay.timeouts.total
    assert production.vendors.ghl.limits == CONFIG.production.vendors.ghl.limits
    assert {"breaker.open_s", "work.call_timeout_s", "spend caps"} <= derived.scaled.keys()


def test_a_sweep_has_targets_and_no_chance(tmp_path: Path) -> None:
    target = FaultTarget(lead_id="L-1", site="ghl.search_contacts", fault="reset")
    derived = derive(PLAN, CONFIG, tmp_path / "config", (target,))
    assert derived.production.failure_injection.rate == 0
    assert derived.production.failure_injection.targets == (target,)


def test_the_files_are_the_operators_alone(tmp_path: Path) -> None:
    derived = derive(PLAN, CONFIG, tmp_path / "config")
    for file in (derived.steady, derived.faulty):
        assert file.stat().st_mode & 0o077 == 0
