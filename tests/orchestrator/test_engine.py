"""The engine port over the real engine: once per id, replayed after a crash, one queen a hive."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from orchestrator.engine import Engine, Json
from tests.processes.swarm import ROOT, environment

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

# A queen of two steps. Between them she dies, the first time; each step leaves a line behind.
QUEEN = """
import asyncio, json, os, signal, sys
from pathlib import Path
from guardrails.hive import Hive
from orchestrator.engine import Engine

trace = Path(sys.argv[2])

async def note(text):
    with trace.open("a") as file:
        file.write(text + "\\n")
    return {"said": text}

async def main():
    engine = Engine(Hive.open(Path(sys.argv[1]), sandbox=True), None)

    async def workflow(text):
        first = await engine.step("first", note, "first " + text)
        if sys.argv[3] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        second = await engine.step("second", note, "second")
        return {"steps": [first, second]}

    engine.register("two", workflow)
    engine.lock()
    async with engine:
        print(json.dumps(await engine.run("two", "id-1", "é")))

asyncio.run(main())
"""


def queen(hive: Path, trace: Path, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", QUEEN, str(hive), str(trace), how],
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_after_a_sigkill_finished_steps_are_not_run_again(tmp_path: Path) -> None:
    hive, trace = tmp_path / "hive", tmp_path / "trace"
    assert queen(hive, trace, "die").returncode == -signal.SIGKILL
    done = queen(hive, trace, "live")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == [{"said": "first é"}, {"said": "second"}]
    assert trace.read_text().splitlines() == ["first é", "second"]


def test_the_same_id_gives_the_first_result_without_running_again(tmp_path: Path) -> None:
    hive, trace = tmp_path / "hive", tmp_path / "trace"
    first, second = queen(hive, trace, "live"), queen(hive, trace, "live")
    assert first.stdout == second.stdout
    assert len(trace.read_text().splitlines()) == 2


def test_two_queens_cannot_have_the_same_hive(hive: Hive) -> None:
    one, two = Engine(hive, None), Engine(hive, None)
    one.lock()
    with pytest.raises(ConfigError, match="another swarm is running"):
        two.lock()
    one.unlock()
    two.lock()
    two.unlock()


def test_the_lock_dies_with_its_holder(hive: Hive) -> None:
    script = (
        "import sys, time; from pathlib import Path; from guardrails.hive import Hive\n"
        "from orchestrator.engine import Engine\n"
        "Engine(Hive.open(Path(sys.argv[1]), sandbox=True), None).lock()\n"
        "print('locked', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(hive.path)],
        env=environment(), cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    engine = Engine(hive, None)
    engine.lock()
    engine.unlock()


async def test_without_the_lock_it_does_not_open(hive: Hive) -> None:
    async def nothing() -> Json:
        return {}

    engine = Engine(hive, None)
    engine.register("nothing", nothing)
    with pytest.raises(ConfigError, match="lock"):
        async with asyncio.timeout(30), engine:
            pass


async def test_the_loop_has_living_threads_after_an_engine_has_closed(hive: Hive) -> None:
    engine = Engine(hive, None)
    engine.lock()
    async with engine:
        pass
    engine.unlock()
    assert await asyncio.to_thread(lambda: "done") == "done"
