"""The red button within a storm: pressed on one machine, lifted by a person, campaigns started.

The twins count: between the press's return and the word of the person who lifts it no write may
reach them, whoever is cut off, comes back, is killed or is started meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from servers.instantly.twin_lookups import KEY, V2
from servers.instantly.twin_records import CAMPAIGN_STATUS
from tests.fleet.machines import Fleet, Machine
from tests.processes.swarm import SWARM

LOAD_S = 5.0  # so long before a press writes are counted: they must be under way
_TERMINAL_S = 60.0
_OPEN = "SELECT count(*) AS n FROM deliveries WHERE state = 'queued'"
_UNDECIDED = "SELECT count(*) AS n FROM run_items WHERE state IS NULL"


@dataclass(frozen=True)
class Stop:
    """One stop, as it was counted. `began` and `ended` are of the time without writes."""

    on: int
    while_: str
    exit_code: int
    not_verified: tuple[str, ...]
    press_s: float
    held_s: float
    writes_before: int  # within LOAD_S before the press: that it was under load
    writes_during: int  # must be none
    rows_that_waited: int
    campaigns: int  # paused by the stop, started by the person
    began: float
    ended: float

    def told(self) -> dict[str, Any]:
        """For the report."""
        return {
            name: round(value, 1) if isinstance(value, float) else value
            for name, value in asdict(self).items()
            if name not in ("began", "ended")
        }


def stopped(fleet: Fleet, number: int, while_: str, hold: Callable[[], None]) -> Stop:
    """Press on that machine, hold, lift, start what the stop has paused.

    Args:
        hold: what passes between the press's return and the lifting.
    """
    machine = fleet.machines[number]
    paused = _paused(fleet)
    loaded = fleet.written()
    time.sleep(LOAD_S)
    pressed, before = time.monotonic(), fleet.written() - loaded
    code, told = fleet.swarm(
        number, "stop", "--yes", "--reason", "fire", "--twins", str(fleet.sandbox.port),
        "--config", str(machine.config), "--wait", "10",
    )  # fmt: skip
    at_return, began = fleet.written(), time.monotonic()
    hold()
    at_resume, ended = fleet.written(), time.monotonic()
    waited = int(fleet.one(_OPEN)) + int(fleet.one(_UNDECIDED))
    _resume(machine)
    campaigns = _start(fleet, _paused(fleet) - paused)
    assert "hives" in told, told
    residue = [str(one["what"]) for hive in told["hives"] for one in hive["residue"]]
    return Stop(
        on=number, while_=while_, exit_code=code, not_verified=tuple(residue),
        press_s=began - pressed, held_s=ended - began, writes_before=before,
        writes_during=at_resume - at_return, rows_that_waited=waited, campaigns=campaigns,
        began=began, ended=ended,
    )  # fmt: skip


def _resume(machine: Machine) -> None:
    """A person at a terminal says the word."""
    leader, follower = pty.openpty()
    words = ["resume", "--reason", "it was a drill", "--hive", str(machine.hive)]
    process = subprocess.Popen(
        machine.there([*SWARM, *words]), cwd=machine.folder, env=machine.environment(),
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    os.write(leader, b"resume\n")
    said = _read_out(leader)
    if process.wait(_TERMINAL_S) != 0:
        raise AssertionError(f"the stop was not lifted: {said[-500:]}")


def _read_out(leader: int) -> str:
    """What the terminal shows until its program ends."""
    shown, deadline = b"", time.monotonic() + _TERMINAL_S
    with contextlib.suppress(OSError):  # Linux: nobody has the other end any more
        while time.monotonic() < deadline:
            ready, _, _ = select.select([leader], [], [], 1.0)
            if ready:
                shown += os.read(leader, 65536)
    os.close(leader)
    return shown.decode(errors="replace")


def _paused(fleet: Fleet) -> set[str]:
    """The campaigns that stand still at Instantly."""
    query = {"limit": 100, "status": CAMPAIGN_STATUS["paused"]}
    page = _instantly(fleet, "GET", "/campaigns", query)
    assert "next_starting_after" not in page, "more campaigns than anybody has made"
    return {str(one["id"]) for one in page["items"]}


def _start(fleet: Fleet, campaigns: set[str]) -> int:
    """What a person does at Instantly after a resume."""
    for each in campaigns:
        _instantly(fleet, "POST", f"/campaigns/{each}/activate")
    return len(campaigns)


def _instantly(fleet: Fleet, method: str, path: str, query: dict[str, Any] | None = None) -> Any:
    answer = httpx.request(
        method, f"http://127.0.0.1:{fleet.sandbox.port}/instantly{V2}{path}", params=query,
        headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=10,
    )  # fmt: skip
    return answer.raise_for_status().json()
