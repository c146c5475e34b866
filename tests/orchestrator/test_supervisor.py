"""Both are kept alive, one that cannot work takes the other along, and neither outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from orchestrator.supervisor import Member, Supervisor
from tests.processes.swarm import ROOT

pytestmark = pytest.mark.anyio
QUICK = (0.0, 0.0)
# Writes its pid, then lives until a signal that it obeys or not, or ends as it is told.
_LIFE = """
import os, signal, sys, time
name, code, obeys = sys.argv[1:]
with open(name, "a") as file:
    print(os.getpid(), file=file)
if code != "-":
    sys.exit(int(code))
if obeys == "no":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(60)
"""


def member(folder: Path, name: str, code: str = "-", obeys: str = "yes") -> Member:
    command = (sys.executable, "-c", _LIFE, str(folder / name), code, obeys)
    return Member(name, command, {"PATH": os.environ["PATH"]})


def pids(folder: Path, name: str) -> list[int]:
    file = folder / name
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)


async def test_one_that_is_killed_is_started_again_and_the_other_is_left_alone(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    members = [member(tmp_path, "queen"), member(tmp_path, "gateway")]
    here = Supervisor(members, told.append, backoff_s=QUICK)
    running = asyncio.create_task(here.run())
    await until(lambda: bool(pids(tmp_path, "queen") and pids(tmp_path, "gateway")))
    os.kill(pids(tmp_path, "queen")[0], signal.SIGKILL)
    await until(lambda: len(pids(tmp_path, "queen")) == 2)
    here.end()
    assert await running == 0
    assert len(pids(tmp_path, "gateway")) == 1
    assert any("queen died (exit -9)" in line for line in told)
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path, "queen"))


@pytest.mark.parametrize("code", ["2", "3"])
async def test_one_that_cannot_work_is_not_tried_again_and_everything_ends(
    tmp_path: Path, code: str
) -> None:
    told: list[str] = []
    members = [member(tmp_path, "queen", code), member(tmp_path, "gateway")]
    assert await Supervisor(members, told.append, backoff_s=QUICK).run() == int(code)
    assert len(pids(tmp_path, "queen")) == 1
    assert any("cannot work" in line for line in told)
    assert not any(psutil.pid_exists(pid) for pid in pids(tmp_path, "gateway"))


async def test_one_that_keeps_failing_is_tried_again_and_again(tmp_path: Path) -> None:
    here = Supervisor([member(tmp_path, "queen", "1")], lambda _: None, backoff_s=QUICK)
    running = asyncio.create_task(here.run())
    await until(lambda: len(pids(tmp_path, "queen")) >= 3)
    here.end()
    assert await running == 0


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    told: list[str] = []
    members = [member(tmp_path, "queen", obeys="no")]
    here = Supervisor(members, told.append, backoff_s=QUICK, grace_s=0.2)
    running = asyncio.create_task(here.run())
    await until(lambda: bool(pids(tmp_path, "queen")))
    await asyncio.sleep(0.2)  # it has set its ears by then; sooner it would simply end
    here.end()
    assert await running == 0
    assert not psutil.pid_exists(pids(tmp_path, "queen")[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_neither_outlives_the_supervisor_however_it_goes(
    tmp_path: Path, number: signal.Signals
) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from orchestrator.supervisor import Supervisor\n"
        "from tests.orchestrator.test_supervisor import member\n"
        "folder = Path(sys.argv[1])\n"
        "members = [member(folder, 'queen'), member(folder, 'gateway')]\n"
        "raise SystemExit(asyncio.run(Supervisor(members, print).run()))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        asyncio.run(until(lambda: bool(pids(tmp_path, "queen") and pids(tmp_path, "gateway"))))
        process.send_signal(number)
        code = process.wait(30)
        assert code == (-9 if number is signal.SIGKILL else 0)
        gone = [*pids(tmp_path, "queen"), *pids(tmp_path, "gateway")]
        asyncio.run(until(lambda: not any(psutil.pid_exists(pid) for pid in gone)))
    finally:
        process.kill()
        process.wait()
