"""Rounds: the dead man's switch, sleep, and a watch that nothing ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from guardrails.hive import Hive
from orchestrator.health.look import Look
from orchestrator.health.memory import Memory, MemoryFile
from orchestrator.health.model import Disk, Seen, Snapshot
from orchestrator.health.monitor import Addresses, Monitor, Round, keep_watch
from orchestrator.health.outside import Certificate, Outside, Skew
from orchestrator.health.telling import AlertFile, Messenger
from orchestrator.slack.tell import Told
from tests.conftest import SteppableClock
from tests.orchestrator.health.samples import LIMITS, NOW, Any, queen, snapshot, work


class Shown(Look):
    """Shows what it is told to show, at the clock's time."""

    def __init__(self, clock: SteppableClock) -> None:
        self.shown: dict[str, Any] = {}
        self._now = clock
        self.breaks = False

    def take(self, memory: Memory) -> tuple[Snapshot, Memory]:
        if self.breaks:
            raise ZeroDivisionError
        return snapshot(**self.shown), memory

    def unanswered(self, seconds: float) -> Snapshot:
        return snapshot(work=None, disk=None, audit_checked=False)


class World(Outside):
    """Counts how often the switch is called."""

    def __init__(self) -> None:
        self.calls = 0
        self.skew: Skew | None = None

    def still_alive(self, url: str) -> tuple[bool, Skew | None]:
        self.calls += 1
        return True, self.skew

    def slack_clock(self, base_url: str | None) -> Skew | None:
        return None

    def certificate(self, url: str) -> Certificate | None:
        return Certificate(ends=NOW + timedelta(days=3))


class Desk:
    """A monitor and what stands around it."""

    def __init__(self, hive: Hive, clock: SteppableClock) -> None:
        self.clock = clock
        self.look = Shown(clock)
        self.world = World()
        self.slack_up = True
        self.posted: list[str] = []
        self.hive = hive
        self.addresses = Addresses(heartbeat="https://watcher.example/x")
        self.start()

    def start(self) -> None:
        """A new monitor on what the one before remembered."""
        messenger = Messenger(AlertFile(self.hive.path), self._post, "here", sandbox=False)
        self.monitor = Monitor(
            self.look, LIMITS, MemoryFile(self.hive), messenger, self.world, self.addresses,
            self.clock,
        )  # fmt: skip

    def round(self, **shown: Any) -> Round:
        self.look.shown = shown
        found = self.monitor.round(30)
        self.clock.step(30)
        return found

    def _post(self, text: str, _urgent: bool) -> Told:
        if self.slack_up:
            self.posted.append(text)
        return Told("bot" if self.slack_up else "nobody")


@pytest.fixture
def desk(hive: Hive, clock: SteppableClock) -> Iterator[Desk]:
    clock.now = NOW
    return Desk(hive, clock)


FULL = {"disk": Disk(1, 9)}  # critical
UNWELL = {"disk": Disk(2000, 9000)}  # a warning


def test_rounds_over_a_quiet_swarm_tell_nobody_and_call_the_switch(desk: Desk) -> None:
    rounds = [desk.round() for _ in range(120)]
    assert all(one.well and one.switch for one in rounds)
    assert (desk.posted, desk.world.calls) == ([], 120)


def test_the_switch_is_called_unless_something_is_critical_or_nobody_could_be_told(
    desk: Desk,
) -> None:
    assert desk.round().switch
    assert desk.round(**UNWELL).switch
    assert desk.round(**FULL).switch is None
    assert desk.round().switch is None  # it is not over yet
    assert desk.round().switch
    desk.slack_up = False
    assert desk.round(**UNWELL).switch is None
    desk.slack_up = True
    assert desk.round(**UNWELL).switch


def test_a_restart_neither_repeats_nor_loses_an_alert(desk: Desk) -> None:
    desk.round(**FULL)
    desk.start()
    desk.round(**FULL)
    assert len(desk.posted) == 1
    desk.slack_up = False
    desk.round(**FULL, write_error="locked")
    desk.start()
    desk.slack_up = True
    desk.round(**FULL, write_error="locked")
    assert len(desk.posted) == 2
    assert "cannot be written" in desk.posted[1]
    desk.start()
    desk.round()
    desk.round()
    assert desk.posted[2].count("OVER") == 2


def test_waking_from_sleep_calls_nobody_dead(desk: Desk) -> None:
    desk.round()
    desk.clock.step(7200)
    silent = {"work": work(heartbeats=(queen(silent_s=7000),)), "seen": {100: Seen("S", 1000)}}
    assert desk.round(**silent).well
    assert not desk.round(**silent).well


def test_a_defect_in_looking_is_told_and_the_watch_goes_on(desk: Desk) -> None:
    desk.look.breaks = True
    found = desk.round()
    assert "ZeroDivisionError" in found.incidents[0].what
    desk.look.breaks = False
    desk.round()
    assert desk.round().well


def test_what_is_seen_outside_is_judged_as_well(hive: Hive, clock: SteppableClock) -> None:
    clock.now = NOW
    desk = Desk(hive, clock)
    desk.addresses = Addresses("https://watcher.example/x", None, "https://gateway.example")
    desk.start()
    assert [one.key for one in desk.round().incidents] == ["certificate:gateway"]
    desk.world.skew = Skew(90.0, "the outside watcher")
    desk.round()
    assert "clock:skew" in [one.key for one in desk.round().incidents]


def test_the_watch_ends_when_it_is_told_to_and_not_by_an_error(desk: Desk) -> None:
    stop, seen = threading.Event(), []

    def shown(found: Round) -> None:
        seen.append(found)
        if len(seen) == 3:
            stop.set()
        raise OSError("nobody reads")

    keep_watch(desk.monitor, 0.001, stop, shown)
    assert len(seen) == 3
