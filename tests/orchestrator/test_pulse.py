"""The queen asks her servers and says when each last answered."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from guardrails.clock import iso
from guardrails.config import load_config
from guardrails.errors import ServerUnavailable
from guardrails.heartbeats import read_heartbeats
from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.children import Child
from orchestrator.pulse import Pulse, Sign, alive
from tests.conftest import SteppableClock
from tests.orchestrator.fakes.awkward_server import DO, Do
from tests.orchestrator.test_children import Diary, spec

pytestmark = pytest.mark.anyio
RULES = load_config().production.monitor


class Two:
    """Two servers, of which `quiet` never answers."""

    def __init__(self) -> None:
        self.answered = asyncio.Condition()
        self.answers = 0
        self.counts = {"ghl": 0, "quiet": 0}

    def pids(self) -> dict[str, int | None]:
        return {"ghl": 7, "quiet": None}

    def restarts(self) -> dict[str, int]:
        return dict(self.counts)

    async def ping(self, server: str, timeout_s: float) -> None:
        if server == "quiet":
            raise ServerUnavailable("it is restarting")
        async with self.answered:
            self.answers += 1
            self.answered.notify_all()

    async def next_answer(self) -> None:
        """Until the answer before the next question is on record."""
        async with self.answered:
            seen = self.answers
            await self.answered.wait_for(lambda: self.answers >= seen + 2)


def _of(pulse: Pulse, server: str) -> dict[str, Any]:
    found: dict[str, Any] = pulse.told()["servers"][server]
    return found


async def test_an_answer_moves_the_moment_and_silence_does_not(clock: SteppableClock) -> None:
    servers, began = Two(), iso(clock())
    async with Pulse(servers, clock, 0.001, 30) as pulse:
        clock.step(60)
        await servers.next_answer()
        assert _of(pulse, "ghl")["good_at"] == iso(clock())
        assert _of(pulse, "quiet")["good_at"] == began
        assert (_of(pulse, "ghl")["pid"], _of(pulse, "quiet")["pid"]) == (7, None)


async def test_restarts_are_remembered_for_an_hour(clock: SteppableClock) -> None:
    servers = Two()
    servers.counts["ghl"] = 4  # before anybody looked: nobody knows when
    async with Pulse(servers, clock, 60, 30) as pulse:
        assert _of(pulse, "ghl")["restarted"] == []
        servers.counts["ghl"] = 6
        assert _of(pulse, "ghl")["restarted"] == [iso(clock())] * 2
        clock.step(3599)
        assert len(_of(pulse, "ghl")["restarted"]) == 2
        clock.step(2)
        assert _of(pulse, "ghl")["restarted"] == []
        assert _of(pulse, "ghl")["restarts"] == 6


async def test_the_queen_beats_with_her_servers_and_what_she_adds(hive: Hive) -> None:
    store = open_store(hive)
    try:
        sign = Sign()
        async with alive(store, Two(), RULES, 30, sign):
            sign.also = lambda: {"mode": "shadow"}
        with store.read() as conn:
            (found,) = read_heartbeats(conn)
        assert found.role == "queen"
        assert found.document["mode"] == "shadow"
        assert set(found.document["servers"]) == {"ghl", "quiet"}
        assert found.interval_s == RULES.beat_interval_s
    finally:
        store.close()


@pytest.mark.processes
async def test_a_stopped_server_does_not_answer_and_is_killed_so_that_it_restarts(
    tmp_path: Path,
) -> None:
    diary = Diary()
    one = Child(spec(), tmp_path, diary)
    await one.open()
    try:
        await one.ping(30)
        before = one.pid
        assert before is not None
        os.kill(before, signal.SIGSTOP)
        with pytest.raises(ServerUnavailable):
            await one.ping(0.2)
        assert diary.notes == ["awkward.tools/list hung"]
        answer = await one.call(DO, Do(what="echo", text="back"), 30)
        assert answer.pid != before
        await one.ping(30)
    finally:
        await one.close()
