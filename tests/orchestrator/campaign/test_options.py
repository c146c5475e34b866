from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardrails.config import config_path
from guardrails.errors import ConfigError
from orchestrator.campaign.options import plan_of
from orchestrator.campaign.plan import Plan


def asked(config: Path | None = None, **changes: Any) -> Plan:
    given: dict[str, Any] = {
        "duration": "1h", "rate": None, "seed": None, "leads": Path("leads.csv"), "faults": None,
        "sweep": False, "sandbox": True, "database_url": None, "hive": Path("h"), "config": config,
    }  # fmt: skip
    return plan_of(**(given | changes))


def test_a_campaign_that_nobody_asked_for_does_not_begin_and_both_ways_are_told() -> None:
    with pytest.raises(ConfigError) as refused:
        asked()
    assert "failure_injection.enabled" in refused.value.remedy
    assert "--rate" in refused.value.remedy


@pytest.mark.parametrize("said", [{"rate": 0.3}, {"faults": "slow"}, {"sweep": True}])
def test_the_command_line_is_enough(said: dict[str, Any]) -> None:
    assert asked(**said).seconds == 3600


def test_the_configuration_is_enough_and_gives_the_defaults(tmp_path: Path) -> None:
    document = json.loads(config_path("production.json").read_text())
    document["failure_injection"] |= {"enabled": True, "rate": 0.25, "seed": 9, "faults": ["slow"]}
    file = tmp_path / "production.json"
    file.write_text(json.dumps(document))
    plan = asked(file)
    assert (plan.rate, plan.seed, plan.faults) == (0.25, 9, ("slow",))
    over = asked(file, rate=0.5, seed=1, faults="reset")
    assert (over.rate, over.seed, over.faults) == (0.5, 1, ("reset",))
