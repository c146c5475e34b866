"""Whatever a client sends to a tool, it gets an answer in the contract's form and nothing more.

Every tool of every server, in live mode over twins on loopback, through our own wire code. A share
of the calls in the gate; a thousand for each tool in `make test-long`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import text

from guardrails.hive import Hive
from guardrails.store import open_store
from servers.common.contract import FAILURE_META
from tests.mcp.contracts import Tool, named, tools
from tests.mcp.fuzz import arguments, huge, uris
from tests.mcp.house import House, house
from tests.mcp.wire import ROOT, Spawned, Wire, in_memory, spawned

ALL = tools()
SHARE = 60  # of a thousand: what the gate has time for
LARGEST_FAILURE = 30_000
LARGEST_MB = 250  # of a server's process, after all that: twice of what it has at the start
POOLS = 24  # threads that a pool keeps for the next call, however many there were
CONNECTIONS = 24  # to the twins, kept open for the next call: each has two ends here
# Everything that somebody decides by; a tool that says it only reads changes none of it.
DECIDED_BY = (
    "writes", "audit_index", "approvals", "stop_state", "suppressions", "spent_permits", "runs",
    "run_items", "lessons", "outcomes", "deliveries", "inbox",
)  # fmt: skip


class Fuzzed:
    """All servers, open for the whole module, and a loop that runs while somebody asks."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._leave = asyncio.Event()
        self.house: House
        self.wires: dict[str, Wire] = {}
        self._owner = self._runner.get_loop().create_task(self._own(folder))
        self._ready = asyncio.Event()
        self._runner.run(self._until_ready())

    async def _until_ready(self) -> None:
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({waiting, self._owner}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._owner.done():
            self._owner.result()

    async def _own(self, folder: Path) -> None:
        async with AsyncExitStack() as stack:
            self.house = await stack.enter_async_context(house(folder))
            for name in dict.fromkeys(server for server, _ in ALL):
                self.wires[name] = await self._wire(stack, name)
            self._ready.set()
            await self._leave.wait()

    async def _wire(self, stack: AsyncExitStack, name: str) -> Wire:
        server = await stack.enter_async_context(self.house.opened(name))
        return await stack.enter_async_context(in_memory(server))

    def run(self, work: Any) -> Any:
        """Wait for something in the servers' loop."""
        return self._runner.run(work)

    def call(self, server: str, spec: Tool, arguments: Any) -> dict[str, Any]:
        """One call, judged."""
        wire = self.wires[server]
        answer: dict[str, Any] = self.run(wire.call(spec.name, arguments))
        self.judge(spec, answer, wire.last_line.decode())
        return answer

    def judge(self, spec: Tool, answer: dict[str, Any], line: str) -> None:
        """What holds for every answer."""
        assert not self.told_too_much(line)
        if "error" in answer:  # what was sent was no message at all
            assert answer["error"]["code"] in {-32700, -32600, -32602}, answer
            assert len(line) < LARGEST_FAILURE
            return
        result = answer["result"]
        if result.get("isError"):
            failure = result["_meta"][FAILURE_META]
            assert "structuredContent" not in result
            assert failure["code"] not in {"internal", "audit_broken", "store_unavailable"}, failure
            assert failure["message"]
            assert failure["remedy"]
            assert len(line) < LARGEST_FAILURE
            return
        spec.result.model_validate(result["structuredContent"])
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]

    def told_too_much(self, line: str) -> list[str]:
        """What no client may see, and is seen."""
        never = [str(ROOT), "Traceback", "root:x:0", str(self.house.folder), *self.house.secrets]
        return [one for one in never if one in line]

    def decided_by(self) -> dict[str, Any]:
        """Every record that somebody decides by, as it stands."""
        hive = Hive.open(self.house.folder / "hive", sandbox=True)
        store = open_store(hive)
        try:
            with store.read() as conn:
                found = {
                    name: conn.execute(text(f"SELECT * FROM {name}")).all() for name in DECIDED_BY
                }
        finally:
            store.close()
        return {**found, "bank": hive.bank_file.read_bytes()}

    def idle(self) -> tuple[int, int, int]:
        """Tasks, threads and descriptors while nobody asks."""
        self.run(asyncio.sleep(0))
        tasks = len(asyncio.all_tasks(self._runner.get_loop()))
        return tasks, threading.active_count(), len([*Path("/proc/self/fd").iterdir()])

    def close(self) -> None:
        """End all servers."""

        async def leave() -> None:
            self._leave.set()
            await self._owner

        self._runner.run(leave())
        self._runner.close()


class Processes(Fuzzed):
    """The same, each server in a process of its own."""

    async def _wire(self, stack: AsyncExitStack, name: str) -> Wire:
        return await stack.enter_async_context(spawned(name, self.house.env))

    def largest_mb(self) -> float:
        """Memory of the largest of them."""
        pids = [wire.process.pid for wire in self.wires.values() if isinstance(wire, Spawned)]
        return max(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    opened = Processes(tmp_path_factory.mktemp("fuzz"))
    yield opened
    assert opened.house.writes() == 0
    assert opened.largest_mb() < LARGEST_MB
    opened.close()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    opened = Fuzzed(tmp_path_factory.mktemp("fuzz"))
    tasks, threads, descriptors = opened.idle()
    yield opened
    assert opened.house.writes() == 0  # whatever was asked for
    now = opened.idle()
    assert now[0] <= tasks  # nothing goes on when nobody asks
    assert now[1] <= threads + POOLS
    assert now[2] <= descriptors + CONNECTIONS
    opened.close()


def fuzz(fuzzed: Fuzzed, server: str, spec: Tool, calls: int) -> None:
    @settings(
        max_examples=calls, derandomize=True, database=None,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(arguments(spec.args.model_json_schema(), fuzzed.house.hints()))
    def ask(drawn: Any) -> None:
        fuzzed.call(server, spec, drawn)

    before = fuzzed.decided_by() if spec.read_only else None
    ask()
    if before is not None:
        assert fuzzed.decided_by() == before


@pytest.mark.parametrize("pair", ALL, ids=named)
def test_a_fuzzed_call_is_answered_in_the_contracts_form(
    pair: tuple[str, Tool], fuzzed: Fuzzed
) -> None:
    fuzz(fuzzed, *pair, calls=SHARE)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("pair", ALL, ids=named)
def test_a_thousand_fuzzed_calls_are_answered_in_the_contracts_form(
    pair: tuple[str, Tool], fuzzed: Fuzzed
) -> None:
    fuzz(fuzzed, *pair, calls=1000)


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.parametrize("pair", ALL, ids=named)
def test_a_process_answers_in_the_contracts_form_and_does_not_grow(
    pair: tuple[str, Tool], processes: Processes
) -> None:
    fuzz(processes, *pair, calls=100)


@pytest.mark.parametrize("server", dict.fromkeys(server for server, _ in ALL))
def test_an_odd_address_of_a_document_gives_a_document_or_an_error(
    server: str, fuzzed: Fuzzed
) -> None:
    wire = fuzzed.wires[server]
    listed = fuzzed.run(wire.ask("resources/list", {}))["result"]["resources"]
    more = fuzzed.run(wire.ask("resources/templates/list", {})).get("result", {})
    known = [one["uri"] for one in listed]
    known += [one["uriTemplate"] for one in more.get("resourceTemplates", [])]

    @settings(
        max_examples=SHARE, derandomize=True, database=None,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(uris(known))
    def ask(uri: str) -> None:
        answer = fuzzed.run(wire.ask("resources/read", {"uri": uri}))
        if uri in known and "error" not in answer:
            return  # a document as it is served to everybody
        line = wire.last_line.decode()
        assert not fuzzed.told_too_much(line)
        if "error" in answer:
            assert answer["error"]["code"] in {-32700, -32600, -32602}, answer

    ask()


@pytest.mark.parametrize("pair", ALL, ids=named)
def test_what_is_huge_is_refused_in_few_words(pair: tuple[str, Tool], fuzzed: Fuzzed) -> None:
    server, spec = pair
    for asked in huge(spec.args.model_json_schema()):
        answer = fuzzed.call(server, spec, asked)
        refused = "error" in answer or answer["result"].get("isError")
        assert refused or not spec.args.model_fields
    assert fuzzed.run(fuzzed.wires[server].ask("ping", {}))["result"] == {}
