"""`swarm preflight` over the real servers and the twins: it looks at all, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardrails.config import load_config
from guardrails.heartbeats import read_heartbeats
from guardrails.model import Mode
from orchestrator.bootstrap import running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.preflight.model import SPECS
from servers.guardrails.contract import GET_STATUS, GetStatus
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


@pytest.mark.anyio
async def test_a_queen_that_is_told_live_works_in_the_mode_that_was_earned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = tmp_path / "production.json"
    said = load_config().production.model_dump(mode="json") | {"mode": "live"}
    live.write_text(json.dumps(said))
    options = Options(tmp_path / "hive", sandbox=True, config_path=live, must_earn=True)
    async with running_swarm(options, Environment({})) as swarm:
        assert swarm.mode is Mode.SHADOW
        told = await swarm.children.call("guardrails", GET_STATUS, GetStatus())
        assert told.mode is Mode.SHADOW  # it asked for itself
        [beat] = await swarm.store.query(read_heartbeats)
    assert beat.document["mode"] == "shadow"
    assert "MODE LOWERED to shadow (configured: live)" in beat.document["mode_notes"][0]
    assert "MODE LOWERED to shadow (configured: live)" in capsys.readouterr().err
