"""SIGKILL of the queen, of a server, or of both, at seeded moments of a 120-lead run (P3, P7).

A few moments in the everyday gate; SWARM_KILL_MOMENTS=50 (`make test-kill`) runs the long form.
The moment is a number of settled leads, so that a seed means the same on a fast and a slow
machine.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest

from servers.sandbox.leads import write_leads_csv
from tests.processes.swarm import (
    assert_each_lead_ended_once,
    environment,
    shadow,
    shadow_command,
    swarm,
)

LEADS = 120
MOMENTS = int(os.environ.get("SWARM_KILL_MOMENTS", "1"))
SERVERS = ("hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")

pytestmark = [pytest.mark.processes, pytest.mark.kill, pytest.mark.timeout(600)]


class Watcher(threading.Thread):
    """Reads emails.json over and over: it must be a JSON array each time it is there."""

    def __init__(self, hive: Path) -> None:
        super().__init__(daemon=True)
        self._file = hive / "shadow_logs" / "emails.json"
        self._done = threading.Event()
        self.reads = 0
        self.bad: str | None = None

    def run(self) -> None:
        while not self._done.wait(0.005):
            try:
                text = self._file.read_text()
            except FileNotFoundError:
                continue
            try:
                valid = isinstance(json.loads(text), list)
            except ValueError:
                valid = False
            self.reads += 1
            if not valid:
                self.bad = text[-200:]

    def stop(self) -> None:
        self._done.set()
        self.join()


def settled(hive: Path) -> int:
    """How many rows have ended, from outside."""
    try:
        with sqlite3.connect(f"file:{hive / 'swarm.db'}?mode=ro", uri=True, timeout=30) as conn:
            found = conn.execute("SELECT count(*) FROM run_items WHERE state IS NOT NULL")
            return int(found.fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not there yet


def wait_for(hive: Path, count: int, queen: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while settled(hive) < count and queen.poll() is None:
        assert time.monotonic() < deadline, "the run makes no progress"
        time.sleep(0.005)


def servers_of(queen: int) -> dict[str, psutil.Process]:
    found = {}
    for child in psutil.Process(queen).children(recursive=True):
        try:
            line = " ".join(child.cmdline())
        except psutil.Error:
            continue
        found |= {name: child for name in SERVERS if f"servers.{name}" in line}
    return found


def strike(dice: random.Random, queen: subprocess.Popen[bytes]) -> bool:
    """Kill somebody. Whether the queen was among the victims."""
    whom = dice.choice(("queen", "server", "both"))
    if whom != "queen":
        name = dice.choice(SERVERS)
        victim = servers_of(queen.pid).get(name)
        if victim is not None:
            victim.kill()
    if whom != "server":
        os.kill(queen.pid, signal.SIGKILL)
        queen.wait()
    return whom != "server"


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_every_lead_ends_once_whoever_is_killed_whenever(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    hive, leads = tmp_path / "hive", tmp_path / "leads.csv"
    write_leads_csv(leads, LEADS, seed)
    watcher = Watcher(hive)
    watcher.start()
    for _ in range(dice.randint(1, 3)):
        queen = subprocess.Popen(
            shadow_command(hive, leads), env=environment(), cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(hive, settled(hive) + dice.randint(0, 60), queen)
        if queen.poll() is not None:
            break  # finished before the blow
        time.sleep(dice.random() * 0.05)
        if not strike(dice, queen):
            assert queen.wait(200) == 0
            break
    report = shadow(hive, leads)
    watcher.stop()
    assert watcher.bad is None
    assert watcher.reads > 0
    assert_each_lead_ended_once(hive, report, LEADS)
    code, verified = swarm(hive, "audit", "verify")
    assert (code, verified["ok"]) == (0, True)
    assert report["leads"]["processed"] == LEADS
