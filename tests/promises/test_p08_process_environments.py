"""P8: a key lives in one process. Looked at from outside, in the running processes."""

from pathlib import Path

import psutil
import pytest

from orchestrator.bootstrap import Options, running_swarm
from orchestrator.environment import Environment

pytestmark = [pytest.mark.anyio, pytest.mark.processes, pytest.mark.timeout(180)]
OWN = {
    "hunter": set(),
    "enricher": {"CLAY_API_KEY", "CLAY_ROUTINE_ID", "RB2B_API_KEY"},
    "crafter": set(),
    "guardrails": set(),
    "ghl": {"GHL_PROD_API_KEY", "GHL_LOCATION_ID"},
    "instantly": {"INSTANTLY_API_KEY"},
}
SECRETS = set().union(*OWN.values()) | {"SUPABASE_KEY", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"}


async def test_each_server_holds_its_own_keys_and_the_queen_exports_none(tmp_path: Path) -> None:
    given = Environment({"SUPABASE_KEY": "of the queen", "SLACK_BOT_TOKEN": "of the gateway"})
    options = Options(hive=tmp_path / "hive", sandbox=True, hunter_roots=(tmp_path,))
    async with running_swarm(options, given) as swarm:
        for name, pid in swarm.children.pids().items():
            assert pid is not None
            held = SECRETS & set(psutil.Process(pid).environ())
            assert held <= OWN[name], name
            if name in {"ghl", "instantly"}:
                assert held == OWN[name]
        assert SECRETS & set(psutil.Process().environ()) == set()
        arguments = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    keys = [
        value for name, value in (swarm.twins.env if swarm.twins else {}).items() if "KEY" in name
    ]
    assert keys
    assert not [line for line in arguments for key in keys if key in line]
