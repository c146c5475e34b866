"""The engine port over the real engine: once per id, replayed after a crash, one queen a hive."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dbos import DBOS

from guardrails.clock import utc_now
from guardrails.errors import ConfigError
from guardrails.hive import Hive
from orchestrator.engine import Engine, Json, WorkflowFn
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
    hive = Hive.open(Path(sys.argv[1]), sandbox=True)
    engine = Engine(hive, sys.argv[5] if len(sys.argv) > 5 else None, version=sys.argv[4])

    async def workflow(text):
        first = await engine.step("first", note, "first " + text)
        if sys.argv[3] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        second = await engine.step("second", note, "second")
        return {"steps": [first, second]}

    engine.register("two", workflow)
    engine.lock()
    async with engine:
        left = await engine.go_on("lead")
        print(json.dumps(left or await engine.run("two", engine.untried("lead"), "é")))

asyncio.run(main())
"""


def queen(
    hive: Path, trace: Path, how: str, version: str = "1", *url: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", QUEEN, str(hive), str(trace), how, version, *url],
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_after_a_sigkill_finished_steps_are_not_run_again(tmp_path: Path) -> None:
    hive, trace = tmp_path / "hive", tmp_path / "trace"
    assert queen(hive, trace, "die").returncode == -signal.SIGKILL
    done = queen(hive, trace, "live")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == [{"said": "first é"}, {"said": "second"}]
    assert trace.read_text().splitlines() == ["first é", "second"]


def test_what_another_version_has_begun_is_begun_anew_and_goes_on_nowhere(tmp_path: Path) -> None:
    hive, trace = tmp_path / "hive", tmp_path / "trace"
    assert queen(hive, trace, "die", "1").returncode == -signal.SIGKILL
    done = queen(hive, trace, "live", "2")
    assert done.returncode == 0, done.stderr
    assert trace.read_text().splitlines() == ["first é", "first é", "second"]
    queen(hive, trace, "live", "1")  # of the old version, it finds nothing to go on with
    assert trace.read_text().splitlines()[3:] == ["first é", "second"]


@pytest.mark.postgres
def test_another_machine_goes_on_and_the_one_that_comes_back_does_not(
    tmp_path: Path, postgres_url: str
) -> None:
    trace = tmp_path / "trace"
    assert queen(tmp_path / "one", trace, "die", "1", postgres_url).returncode == -signal.SIGKILL
    done = queen(tmp_path / "two", trace, "live", "1", postgres_url)
    assert json.loads(done.stdout)["steps"] == [{"said": "first é"}, {"said": "second"}]
    assert trace.read_text().splitlines() == ["first é", "second"]
    queen(tmp_path / "one", trace, "live", "1", postgres_url)
    assert trace.read_text().splitlines()[2:] == ["first é", "second"]  # one of its own


def test_each_try_has_an_id_of_its_own(hive: Hive) -> None:
    one, two = Engine(hive, None), Engine(hive, None)
    ids = [one.untried("a"), one.untried("a"), two.untried("a"), one.untried("b")]
    assert len(set(ids)) == 4
    assert all(name.startswith(("a:", "b:")) for name in ids)


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


async def test_a_queen_who_was_silent_so_long_that_her_queue_was_tidied_away_still_goes_on(
    hive: Hive,
) -> None:
    begun: list[str] = []

    async def note(what: str) -> Json:
        begun.append(what)
        return {"noted": what}

    async def workflow(lead: str) -> Json:
        await engine.step("first", note, f"first {lead}")
        if engine is dead:
            await asyncio.Event().wait()
        return await engine.step("second", note, f"second {lead}")

    engine = dead = Engine(hive, None, "dead")
    async with opened(engine, workflow):
        hung = [asyncio.create_task(engine.run("two", f"{lead}:1", lead)) for lead in "ab"]
        while len(begun) < len(hung):  # noqa: ASYNC110 - the engine's own tasks
            await asyncio.sleep(0.01)
    engine = Engine(hive, None, "silent")
    async with opened(engine, workflow):
        assert await engine.go_on("a") == {"noted": "second a"}
        await DBOS.delete_queue_async("left-to:silent")
        while any("left-to" in one.name for one in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody looks into it any more
        assert await engine.go_on("b") == {"noted": "second b"}
    assert sorted(begun) == ["first a", "first b", "second a", "second b"]


async def test_what_nobody_goes_on_with_is_put_away_and_nothing_else(hive: Hive) -> None:
    begun = asyncio.Event()

    async def hangs(*_: str) -> Json:
        begun.set()
        await asyncio.Event().wait()
        return {}

    engine = Engine(hive, None, "me")
    async with opened(engine, hangs):
        running = asyncio.create_task(engine.run("two", "lead:1", "lead"))
        await begun.wait()
        for whose in ("me", "other", "dead"):
            await DBOS.register_queue_async(f"left-to:{whose}")

        async def after_tidying(at: datetime) -> tuple[list[str], list[str]]:
            await engine.tidy(["other"], at)
            queues = sorted(queue.name for queue in await DBOS.list_queues_async())
            found = await DBOS.list_workflows_async(workflow_id_prefix="lead:")
            return queues, [one.status for one in found]

        kept = ["left-to:me", "left-to:other"]
        assert await after_tidying(utc_now()) == (kept, ["PENDING"])
        assert await after_tidying(utc_now() + timedelta(hours=25)) == (kept, ["CANCELLED"])
        running.cancel()


@contextlib.asynccontextmanager
async def opened(engine: Engine, workflow: WorkflowFn) -> AsyncIterator[None]:
    engine.register("two", workflow)
    engine.lock()
    async with engine:
        yield
    engine.unlock()
