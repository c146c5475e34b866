"""The memory's real process over real HTTP: killed, stopped and cut off at any moment."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from guardrails.audit import AuditLog
from guardrails.clock import iso, utc_now
from guardrails.hive import Hive
from guardrails.model import Lead, Recollection
from guardrails.remembering import Fact, begin, remember
from guardrails.store import Store, open_store
from orchestrator.memory.aide import Aide
from orchestrator.memory.export import export
from orchestrator.memory.opening import MODULE, aide_of
from orchestrator.memory.outbox import backlog, next_rows, set_aside
from orchestrator.memory.standing import read_standing
from orchestrator.memory.wire import MemoryWire
from orchestrator.nursery import Nursery
from orchestrator.twins import Twins, running_twins
from tests.processes.swarm import ROOT, SWARM, run, shadow_command

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
LEAD = Lead(
    lead_id="L-1", dedupe_key="ana@elm.example", email="ana@elm.example", domain="elm.example"
)
_PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def twins() -> AsyncIterator[Twins]:
    async with running_twins() as started:
        yield started


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    log = tmp_path_factory.mktemp("nursery") / "nursery.log"
    async with Nursery([MODULE], log, {}) as started:
        yield started


class Yard:
    """A hive with a memory."""

    def __init__(self, hive: Hive, store: Store, twins: Twins, nursery: Nursery) -> None:
        self.hive, self.store, self.twins = hive, store, twins
        own = {name: twins.env[name] for name in ("SUPABASE_URL", "SUPABASE_KEY")}
        common = {"HIVE_MIND_DIR": str(hive.path), "SWARM_SANDBOX": "1", "SWARM_CHILD": "1"}
        self.aide: Aide = aide_of(hive, own | common, nursery)

    def remembers(self, first: int, number: int) -> None:
        with self.store.transaction() as conn:
            for one in range(first, first + number):
                at = iso(utc_now())
                told = {"run_id": "R", "audit_id": f"A-{one}", "channel": "ghl", "at": at}
                remember(conn, Fact.TOUCH, f"A-{one}", at, told, f"L-{one}")

    def waiting(self) -> int:
        with self.store.read() as conn:
            return backlog(conn).waiting

    async def drained(self) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while self.waiting():  # noqa: ASYNC110 - another process works
                await asyncio.sleep(0.05)

    async def back(self, other_than: int | None) -> int:
        async with asyncio.timeout(_PATIENCE_S):
            while self.aide.pid in (None, other_than):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        assert self.aide.pid is not None
        return self.aide.pid

    async def keys(self) -> list[str]:
        written: list[bytes] = []
        async with MemoryWire(self.twins.env["SUPABASE_URL"],
                              self.twins.env["SUPABASE_KEY"]) as wire:  # fmt: skip
            await export(wire, written.append, sandbox=True)
        rows = [orjson.loads(line) for line in b"".join(written).splitlines()]
        return sorted(row["row"]["key"] for row in rows if row["table"] == "swarm_touches")

    async def control(self, path: str, **body: Any) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{self.twins.port}/_twin/{path}"
            (await client.post(url, json=body)).raise_for_status()

    async def recalled(self, *, answered: bool) -> Recollection:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                found = await self.aide.recall(LEAD)
                if found.answered is answered:
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture
async def yard(tmp_path: Path, twins: Twins, nursery: Nursery) -> AsyncIterator[Yard]:
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    store = open_store(hive)
    with store.transaction() as conn:
        begin(conn, iso(utc_now()), "a" * 16)
    one = Yard(hive, store, twins, nursery)
    await one.control("reset")
    await one.control("behaviour", outage={})
    async with one.aide:
        assert await one.aide.ready(_PATIENCE_S)
        yield one
    store.close()


async def test_facts_arrive_and_are_recalled_by_another_database(yard: Yard) -> None:
    yard.remembers(1, 3)
    await yard.drained()
    with yard.store.transaction() as conn:
        conn.exec_driver_sql("UPDATE memory_cursors SET position = 'b' WHERE name = 'origin'")
    pid = yard.aide.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)  # it reads its name at its start
    await yard.back(pid)
    found = await yard.recalled(answered=True)
    assert [touch.elsewhere for touch in found.touches] == [True]
    assert len(await yard.keys()) == 3


async def test_killed_at_any_moment_it_loses_nothing_and_doubles_nothing(yard: Yard) -> None:
    chance = random.Random(8)
    for times in range(4):
        yard.remembers(1000 * times, 400)
        await asyncio.sleep(chance.uniform(0.0, 0.7))
        pid = yard.aide.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await yard.back(pid)
    await yard.drained()
    keys = await yard.keys()
    assert (len(keys), len(set(keys))) == (1600, 1600)
    assert yard.aide.restarts >= 4


async def test_one_that_stands_still_delays_nobody_for_long_and_is_replaced(yard: Yard) -> None:
    await yard.recalled(answered=True)
    pid = yard.aide.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    found = [await yard.aide.recall(LEAD) for _ in range(20)]
    assert not any(one.answered for one in found)
    slow = [one for one in found if "within 1.5 s" in (one.why or "")]
    assert len(slow) <= 3  # then nobody waits for it any more
    assert await yard.back(pid) != pid


async def test_an_outage_is_told_and_then_everything_goes(yard: Yard) -> None:
    await yard.control("behaviour", outage={"supabase": 503})
    yard.remembers(1, 50)
    found = await yard.recalled(answered=False)
    assert "503" in (found.why or "")
    assert yard.waiting() == 50
    await yard.control("behaviour", outage={})
    await yard.drained()
    assert len(await yard.keys()) == 50


def test_a_shadow_run_is_remembered_and_writes_nothing_at_any_vendor(tmp_path: Path) -> None:
    """P4 is about vendors: what the swarm keeps in its own memory is no write of theirs."""
    hive, leads = tmp_path / "hive", ROOT / "data" / "initial_batch.csv"
    done = run(shadow_command(hive, leads), tmp_path, SWARM_SANDBOX_MEMORY="1")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["vendor_writes"] == 0
    opened = Hive.existing(hive)
    store = open_store(opened)
    with store.read() as conn:
        said, _ = read_standing(conn)
        assert (backlog(conn).waiting, said.trouble) == (0, None)
    records = list(AuditLog(opened, store, utc_now).iter_records())
    asked = [one["body"]["known"]["memory"] for one in records if one["kind"] == "review"]
    assert True in asked  # it was asked; of who is turned away before any look-up it is not
    assert False not in asked
    store.close()
    log = (hive / "logs" / "memory.log").read_text()
    assert "sb_secret" not in log
    assert "@" not in log


async def test_sync_sends_what_was_set_aside_and_export_gives_it_back(
    tmp_path: Path, twins: Twins
) -> None:
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    store = open_store(hive)
    with store.transaction() as conn:
        begin(conn, iso(utc_now()), "c" * 16)
        for number in range(3):
            at = iso(utc_now())
            told = {"run_id": "R", "audit_id": "A", "channel": "ghl", "at": at}
            remember(conn, Fact.TOUCH, f"S-{number}", at, told, "L-9")
        for row in next_rows(conn, utc_now(), 3):  # rejected once, and mended there since
            set_aside(conn, row.outbox_id, "23502: null value", utc_now())
    store.close()
    port = ("--twins", str(twins.port))
    done = await asyncio.to_thread(
        run, [*SWARM, "memory", "sync", *port, "--hive", str(hive.path), "--json"], tmp_path
    )
    assert (done.returncode, json.loads(done.stdout)["waiting"]) == (0, 0), done.stderr
    output = tmp_path / "memory.jsonl"
    done = await asyncio.to_thread(
        run, [*SWARM, "memory", "export", *port, "--hive", str(hive.path), "-o", str(output)],
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    keys = [one["row"]["key"] for one in rows if one["row"]["key"].startswith("c" * 16 + "/S-")]
    assert sorted(keys) == [f"{'c' * 16}/S-{number}" for number in range(3)]
