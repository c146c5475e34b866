"""Clients that flood, do not read, or stop in the middle of a line; servers that are killed or
stand still under load. Real processes; memory as the kernel counts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from guardrails.errors import ServerUnavailable
from orchestrator.children import Children
from orchestrator.nursery import Nursery
from orchestrator.processes import ServerSpec
from servers.crafter.contract import LIST_TEMPLATES, ListTemplates
from servers.hunter.contract import READ_VISITOR, ReadVisitor
from tests.mcp.house import House, house
from tests.mcp.wire import HELLO, PATIENCE_S, ROOT, Spawned, spawned

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
FLOOD = 10_000
UNREAD = 4_000  # answers of 6 kB; held in memory with what makes them they are some 180 MB
ROOM_MB = 80
LOST_AND_OTHER = ("hunter", "crafter")
LIMIT_S = 5.0  # of a call of the queen
PAYLOAD = {"payload": {"Email": "ana.voss@firm.example"}}
CALL = {"name": "read_visitor", "arguments": PAYLOAD}
ASKED = ReadVisitor.model_validate(PAYLOAD)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house")) as built:
        yield built


def memory_mb(server: Spawned) -> float:
    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


async def flood(server: Spawned, calls: int) -> None:
    """Everything asked before anything is awaited; every answer is one."""
    numbers = [server.begin("tools/call", CALL) for _ in range(calls)]
    for number in numbers:
        assert not (await server.answer(number))["result"].get("isError")


async def test_ten_thousand_calls_at_once_are_all_answered_and_leave_nothing(home: House) -> None:
    async with spawned("hunter", home.env) as server:
        await flood(server, 1_000)
        before = memory_mb(server)
        await flood(server, FLOOD)
        assert memory_mb(server) - before < ROOM_MB
        assert (await server.ask("ping", {}))["result"] == {}


async def test_who_never_reads_waits_in_its_own_pipe_and_is_answered_when_it_does(
    home: House,
) -> None:
    async with spawned("crafter", home.env, listen=False) as server:
        await server.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
        await comes_to_rest(server)
        before = memory_mb(server)
        server.begin_many("tools/call", {"name": "list_templates", "arguments": {}}, UNREAD)
        await comes_to_rest(server)  # it has stopped working for nobody
        assert memory_mb(server) - before < ROOM_MB
        listening = asyncio.create_task(server.listen())
        async with asyncio.timeout(PATIENCE_S):
            for number in range(1, UNREAD + 1):
                assert "result" in await server.answer(number)
        server.process.kill()
        await listening


async def comes_to_rest(server: Spawned) -> None:
    """Wait until the process has begun, and uses no more time of the processor."""
    process, used = psutil.Process(server.process.pid), -1.0
    async with asyncio.timeout(PATIENCE_S):
        while (now := sum(process.cpu_times()[:2])) != used or used < 0.3:
            used = now
            await asyncio.sleep(0.5)  # a look from outside, not a wait for something of ours


async def test_half_a_line_holds_nobody_up_and_ends_with_its_client(home: House) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": "half", "method": "ping"}).encode() + b"\n"
    async with spawned("hunter", home.env) as server:
        pending = server.begin("tools/call", CALL)
        await server.send_raw(line[:20])
        assert "result" in await server.answer(pending)
        server.expect("half")
        await server.send_raw(line[20:])
        assert (await server.answer("half"))["result"] == {}
        await server.send_raw(line[:20])
        assert server.process.stdin is not None
        server.process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await server.process.wait() == 0


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    """What the queen's servers are forked from."""
    log = tmp_path_factory.mktemp("nursery") / "log"
    modules = [spec.module for spec in (ServerSpec(name, {}) for name in LOST_AND_OTHER)]
    async with Nursery(modules, log, {"PYTHONPATH": str(ROOT)}) as started:
        yield started


def specs(home: House) -> list[ServerSpec]:
    return [ServerSpec(name, {**home.env, "SWARM_CHILD": "1"}) for name in LOST_AND_OTHER]


class Diary:
    """A watcher of the queen's that keeps what it is told."""

    def __init__(self) -> None:
        self.lost_calls: list[tuple[str, bool]] = []

    async def lost(self, server: str, tool: str, why: str, *, hung: bool) -> None:
        self.lost_calls.append((server, hung))

    async def failed(self, server: str, tool: str, failure: Any) -> None:
        raise AssertionError(failure)

    def served(self, server: str) -> None:
        """Nothing to keep."""


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
async def test_the_queens_other_calls_go_on_while_a_server_is_lost_and_it_comes_back(
    number: signal.Signals, home: House, nursery: Nursery, tmp_path: Path
) -> None:
    diary, order = Diary(), []

    async def told(what: str, work: Callable[[], Any]) -> None:
        await work()
        order.append(what)

    async with Children(specs(home), tmp_path, LIMIT_S, diary, nursery) as queen:
        victim = queen.pids()["hunter"]
        assert victim is not None
        os.kill(victim, signal.SIGSTOP)  # so that the calls are under way when it is lost
        lost = [
            asyncio.create_task(told("back", lambda: queen.call("hunter", READ_VISITOR, ASKED)))
            for _ in range(8)
        ]
        await asyncio.sleep(0)
        if number == signal.SIGKILL:
            os.kill(victim, signal.SIGKILL)
        for _ in range(20):
            await told("other", lambda: queen.call("crafter", LIST_TEMPLATES, ListTemplates()))
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*lost)
        assert order.index("back") > 0  # nobody waited for it
        assert order.count("other") == 20
        assert queen.pids()["hunter"] not in (victim, None)
    assert {server for server, _ in diary.lost_calls} == {"hunter"}
    assert all(hung is (number == signal.SIGSTOP) for _, hung in diary.lost_calls[:1])


async def test_a_server_that_cannot_come_back_fails_its_calls_and_no_others(
    home: House, nursery: Nursery, tmp_path: Path
) -> None:
    async with Children(specs(home), tmp_path, LIMIT_S, Diary(), nursery) as queen:
        hive = home.folder / "hive"
        away = hive.rename(home.folder / "away")
        hive.write_text("a file where the hive was")
        try:
            victim = queen.pids()["hunter"]
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            with pytest.raises(ServerUnavailable, match="hunter"):
                await queen.call("hunter", READ_VISITOR, ASKED)
            await queen.call("crafter", LIST_TEMPLATES, ListTemplates())
        finally:
            hive.unlink()
            away.rename(hive)
