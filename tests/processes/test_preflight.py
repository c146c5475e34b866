"""`swarm preflight` over the real servers and the twins: it looks at all, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.preflight.model import SPECS
from tests.processes.swarm import SWARM, run

pytestmark = pytest.mark.processes


def test_every_check_is_answered_in_a_fresh_sandbox(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    done = run([*SWARM, "preflight", "--sandbox", "--hive", str(hive), "--json"], tmp_path)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == 0, told["missing"]
    checks = {check["name"]: check for check in told["checks"]}
    assert list(checks) == list(SPECS)
    assert told["ready"] == {"shadow": True, "assisted": False, "live": False}
    assert told["missing"]["assisted"] == ["shadow_run", "chaos", "monitor", "red_button"]
    assert told["missing"]["live"] == [
        "shadow_run", "chaos", "approvals", "learned", "monitor", "red_button",
    ]  # fmt: skip
    assert not [name for name, check in checks.items() if check["result"] == "unknown"]
    assert all(check["do"] for check in checks.values() if check["result"] != "ok")
    assert told["mode"]["must_be_earned"] is False
    assert told["recorded"] is None
    # No key is shown, and nothing is on record.
    assert not [key for key in ("pit-sandbox", "xoxb-") if key in done.stdout + done.stderr]
    assert not list((hive / "audit").glob("*.jsonl"))
