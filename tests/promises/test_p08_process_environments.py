"""P8: a key lives in one process. Looked at from outside, in the running processes.

A forked server's `/proc` shows the environment that the nursery was started with, so its memory is
looked through instead: a key that is held lies there in plain bytes, wherever it came from.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.bootstrap import running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.variables import VARIABLES

pytestmark = [pytest.mark.anyio, pytest.mark.processes, pytest.mark.timeout(180)]
OWN = {
    "hunter": set(),
    "enricher": {"CLAY_API_KEY", "RB2B_API_KEY"},
    "crafter": set(),
    "guardrails": set(),
    "ghl": {"GHL_PROD_API_KEY", "GHL_LOCATION_ID"},
    "instantly": {"INSTANTLY_API_KEY"},
    "memory": {"SUPABASE_KEY"},
    "nursery": set(),
}
SECRETS = set().union(*OWN.values()) | {"SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"}
OF_THE_QUEEN = {"SLACK_BOT_TOKEN": "of-the-gateway-0001"}


def memory(pid: int) -> Iterator[bytes]:
    """Everything that a process can write to: its heap, its stack, its buffers."""
    ranges = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, *_ = line.split()
        if rights.startswith("rw"):
            start, end = (int(each, 16) for each in span.split("-"))
            ranges.append((start, end))
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for start, end in ranges:
            file.seek(start)
            yield file.read(end - start)


def held(pid: int, values: dict[str, str]) -> set[str]:
    """Names of the values that a process has anywhere in its memory."""
    found = set()
    for part in memory(pid):
        found |= {name for name, value in values.items() if value.encode() in part}
    return found


async def test_each_server_holds_its_own_keys_and_neither_the_nursery_nor_another_does(
    tmp_path: Path,
) -> None:
    given = Environment(OF_THE_QUEEN | {"SWARM_SANDBOX_MEMORY": "1"})
    options = Options(hive=tmp_path / "hive", sandbox=True, hunter_roots=(tmp_path,))
    async with running_swarm(options, given) as swarm:
        assert swarm.twins is not None
        values = {key: swarm.twins.env[key] for key in SECRETS if key in swarm.twins.env}
        values |= OF_THE_QUEEN
        assert set().union(*OWN.values()) <= set(values)
        nursery = swarm.children.nursery_pid
        assert nursery is not None
        assert swarm.aide is not None
        others = (("nursery", nursery), ("memory", swarm.aide.pid))
        for name, pid in (*swarm.children.pids().items(), *others):
            assert pid is not None
            assert name == "nursery" or psutil.Process(pid).ppid() == nursery
            assert held(pid, values) == OWN[name], name
            known = {variable.name for variable in VARIABLES} - {"HIVE_MIND_DIR"}
            assert known & set(psutil.Process(pid).environ()) == set()
        assert SECRETS & set(psutil.Process().environ()) == set()
        below = psutil.Process().children(recursive=True)
        arguments = [" ".join(child.cmdline()) for child in below]
    assert not [line for line in arguments for key in values.values() if key in line]
