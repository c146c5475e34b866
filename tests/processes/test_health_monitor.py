"""The health monitor over real processes: what dies or hangs is told once, and its return too."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from guardrails.clock import parse, utc_now
from guardrails.hive import Hive
from tests.processes.swarm import SWARM, environment, swarm
from tests.processes.watched import Ears, alerts, ears, quick_config, until, watching

pytestmark = pytest.mark.processes
SERVERS = ("hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")
BEATING = """
import asyncio, sys
from pathlib import Path
from guardrails.clock import utc_now
from guardrails.heartbeats import Beating
from guardrails.hive import Hive
from guardrails.store import open_store

async def main():
    store = open_store(Hive.open(Path(sys.argv[1]), sandbox=True))
    async with Beating(store, "gateway", utc_now, 1):
        print("beats", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    store.close()

asyncio.run(main())
"""


@contextmanager
def beating(hive: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that does nothing but live."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEATING, str(hive)], env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "beats\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def kinds(hive: Path) -> list[str]:
    return [f"{line['kind']} {line['key'].partition(':')[0]}" for line in alerts(hive)]


def test_a_hung_and_a_killed_process_are_told_once_each_and_so_is_the_end(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    Hive.open(hive, sandbox=True)
    config = quick_config(tmp_path, 0.5, silent_after_s=3, restart_shown_s=2)
    with ears() as heard, beating(hive) as first, watching(hive, config, **heard.env) as own:
        until(lambda: heard.switch)
        assert os.getsid(own.pid) == own.pid  # no terminal's and no group's end reaches it
        first.send_signal(signal.SIGSTOP)
        until(lambda: kinds(hive) == ["alert process"])
        assert "the kernel shows it stopped" in alerts(hive)[0]["what"]
        first.send_signal(signal.SIGCONT)
        until(lambda: kinds(hive) == ["alert process", "recovered process"])
        first.kill()
        until(lambda: len(kinds(hive)) == 3)
        calls = len(heard.switch)
        assert "is gone" in alerts(hive)[2]["what"]
        with beating(hive):
            until(lambda: len(kinds(hive)) == 4)
            until(lambda: len(heard.switch) > calls)  # it is called again when all is well
    assert kinds(hive) == ["alert process", "recovered process"] * 2
    assert [text.count("CRITICAL") for text in heard.slack] == [1, 0, 1, 0]
    assert heard.slack[0].startswith("<!channel> ")
    assert "OVER" in heard.slack[3]


def test_a_full_disk_and_a_silent_slack_leave_it_alive_and_nothing_untold(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    Hive.open(hive, sandbox=True)
    config = quick_config(tmp_path, 0.5)
    with ears() as heard, beating(hive), watching(hive, config, **heard.env) as monitor:
        until(lambda: heard.switch)
        _, hard = resource.prlimit(monitor.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(monitor.pid, resource.RLIMIT_FSIZE, (0, hard))  # every write fails
        heard.deaf = True
        until(lambda: heard.refused)
        assert monitor.poll() is None
        heard.deaf = False
        until(lambda: heard.slack)
        assert "The database cannot be written" in heard.slack[0]
        assert not alerts(hive)
        resource.prlimit(monitor.pid, resource.RLIMIT_FSIZE, (hard, hard))
        until(lambda: kinds(hive) == ["alert database", "recovered database"])
    assert [text.count("CRITICAL") for text in heard.slack] == [1, 0]


def test_once_says_by_its_exit_code_whether_all_is_well(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    Hive.open(hive, sandbox=True)
    code, told = swarm(hive, "monitor", "--once")
    assert (code, told["well"], told["incidents"]) == (0, True, [])
    (hive / "STOP").write_text("a test\n")
    code, told = swarm(hive, "monitor", "--once")
    assert (code, [one["key"] for one in told["incidents"]]) == (1, ["stop:in_force"])
    code, told = swarm(tmp_path / "nowhere", "monitor", "--once")
    assert (code, told["error"]["code"]) == (2, "not_found")


class Up:
    """`swarm up` in the sandbox."""

    def __init__(self, hive: Path, config: Path) -> None:
        self.hive = hive
        self.process = subprocess.Popen(
            [*SWARM, "up", "--sandbox", "--hive", str(hive), "--config", str(config), "--json"],
            cwd=hive.parent, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip

    def ready(self) -> None:
        """Until queen and gateway have said that they work."""
        assert self.process.stdout is not None
        for _ in range(2):
            assert json.loads(self.process.stdout.readline())

    def pid(self, name: str) -> int:
        """Of queen, gateway or a server, by the heartbeats."""
        conn = sqlite3.connect(self.hive / "swarm.db", timeout=30)
        rows = conn.execute("SELECT name, pid, document FROM heartbeats").fetchall()
        conn.close()
        for row in rows:
            if row[0].startswith(f"{name}@"):
                return int(row[1])
            for server, told in json.loads(row[2]).get("servers", {}).items():
                if server == name and told["pid"]:
                    return int(told["pid"])
        raise AssertionError(f"nobody knows {name}")

    def end(self) -> None:
        """In order."""
        self.process.terminate()
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, Ears]]:
    """A whole swarm under watch, a round every two seconds."""
    folder = tmp_path_factory.mktemp("watched")
    config = quick_config(folder, INTERVAL_S)
    up = Up(folder / "hive", config)
    try:
        up.ready()
        with ears() as heard, watching(up.hive, config, **heard.env):
            until(lambda: heard.switch)
            yield up, heard
    finally:
        up.end()


INTERVAL_S = 2.0
_STRIKES = [
    *((name, signal.SIGKILL) for name in (*SERVERS, "gateway", "queen")),
    *((name, signal.SIGSTOP) for name in (*SERVERS, "gateway", "queen")),
]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "number"), _STRIKES, ids=lambda value: str(value))
def test_each_process_in_turn_is_missed_within_two_rounds_and_told_once(
    watched: tuple[Up, Ears], name: str, number: signal.Signals
) -> None:
    up, _ = watched
    before = len(alerts(up.hive))
    pid = up.pid(name)
    struck = utc_now()
    os.kill(pid, number)
    (first, *_) = until(lambda: alerts(up.hive)[before:])
    late = (parse(first["at"]) - struck).total_seconds()
    if number == signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
    until(lambda: len(alerts(up.hive)) >= before + 2)
    time.sleep(2 * INTERVAL_S)  # nothing more may follow
    found = [(line["kind"], line["key"].split(":")[1]) for line in alerts(up.hive)[before:]]
    assert [kind for kind, _ in found] == ["alert", "recovered"], found
    assert {key for _, key in found} == {first["key"].split(":")[1]}
    assert name in first["key"]
    # Silence is waited for, unless the kernel says more; then come two rounds.
    silent = 4.0 if number == signal.SIGSTOP and name not in SERVERS else 0.0
    assert late <= silent + 2 * INTERVAL_S + 1.0


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_quiet_swarm_raises_no_alarm_for_five_minutes(watched: tuple[Up, Ears]) -> None:
    up, heard = watched
    before, calls = alerts(up.hive), len(heard.switch)
    time.sleep(300)
    assert alerts(up.hive) == before
    assert len(heard.switch) - calls >= 0.9 * 300 / INTERVAL_S


@pytest.mark.long
def test_the_death_of_everything_else_leaves_the_monitor_alive_to_tell_it(tmp_path: Path) -> None:
    config = quick_config(tmp_path, INTERVAL_S)
    up = Up(tmp_path / "hive", config)
    up.ready()
    with ears() as heard, watching(up.hive, config, **heard.env) as monitor:
        until(lambda: heard.switch)
        up.process.kill()

        def dead() -> Any:
            return {line["key"].partition("@")[0] for line in alerts(up.hive)}

        until(lambda: dead() == {"process:queen", "process:gateway"})
        assert monitor.poll() is None
    up.process.communicate()
