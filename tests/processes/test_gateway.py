"""The real gateway in the world's traffic: no lead that was promised is lost, none is doubled."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes.gateway import (
    ANSWER_S,
    RB2B,
    WORKER,
    Process,
    Traffic,
    gateway,
    lead,
    start,
    worker,
)

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
WIDTH = 24
GROWTH_MB = 24  # of the gateway, over thousands of deliveries


async def drive(where: Process, traffic: Traffic, at: dict[float, object]) -> None:
    """Send it all; `at` maps a share of the way to what happens there."""
    sent = traffic.plan()
    marks = sorted(at)
    limits = httpx.Limits(max_connections=WIDTH, max_keepalive_connections=WIDTH)
    async with httpx.AsyncClient(
        base_url=where.url, timeout=ANSWER_S, limits=limits, trust_env=False
    ) as client:
        gate = asyncio.Semaphore(WIDTH)

        async def one(kind: str, number: int) -> None:
            try:
                await traffic.send(client, kind, number)
            finally:
                gate.release()

        async with asyncio.TaskGroup() as group:
            for done, (kind, number) in enumerate(sent):
                if marks and done >= marks[0] * len(sent):
                    happens = at[marks.pop(0)]
                    assert callable(happens)
                    group.create_task(asyncio.to_thread(happens))
                await gate.acquire()
                group.create_task(one(kind, number))


def counted(hive: Path, query: str) -> int:
    with sqlite3.connect(hive / "swarm.db", timeout=30) as database:
        (number,) = database.execute(query).fetchone()
    database.close()
    return int(number)


async def all_worked_on(hive: Path, leads: int) -> int:
    """Wait until inbox and spool are empty; how many leads were worked on."""
    async with asyncio.timeout(60):
        while (  # noqa: ASYNC110 - it is another process that ends the wait
            counted(hive, "SELECT count(*) FROM inbox WHERE state = 'new'")
            or counted(hive, "SELECT count(*) FROM outcomes") < leads
            or any((hive / "inbox_spool").glob("*"))  # copies of what got in all the same
        ):
            await asyncio.sleep(0.1)
    return counted(hive, "SELECT count(*) FROM outcomes")


async def through(hive: Path, leads: int) -> tuple[Traffic, float]:
    """Traffic while the worker is killed twice and the database is held by somebody for seconds.

    Returns:
        The traffic, and by how many MB the gateway grew after its first fifth.
    """
    where = gateway(hive)
    traffic = Traffic(seed=5, leads=leads)
    memory = psutil.Process(where.popen.pid)
    sizes: list[int] = []
    one_at_a_time = threading.Lock()
    try:
        with worker(hive) as running:

            def replace() -> None:
                with one_at_a_time:
                    running[-1].end(signal.SIGKILL)
                    running.append(start("-c", WORKER, str(hive), cwd=hive.parent))

            def hold() -> None:
                database = sqlite3.connect(hive / "swarm.db", timeout=30)
                database.execute("BEGIN IMMEDIATE")
                asyncio.run(asyncio.sleep(3))
                database.rollback()
                database.close()

            def weigh() -> None:
                sizes.append(memory.memory_info().rss)

            await drive(where, traffic, {0.2: weigh, 0.3: replace, 0.5: hold, 0.7: replace})
            weigh()
            worked = await all_worked_on(hive, leads)
        assert worked == leads
    finally:
        assert where.end(signal.SIGTERM) == 0
    return traffic, (sizes[1] - sizes[0]) / 1e6


def judged(hive: Path, traffic: Traffic) -> None:
    assert traffic.promised == set(range(traffic.leads))
    for kind in ("lead", "junk", "large", "slow"):
        assert set(traffic.answers[kind]) == {200}, kind
    assert set(traffic.answers["wrong"]) <= {404, 429}
    assert counted(hive, "SELECT count(*) FROM inbox WHERE kind = 'visitor'") == traffic.leads
    assert not list((hive / "inbox_spool").glob("*"))
    log = (hive / "logs" / "gateway.log").read_text()
    assert "spool_absorbed" in log  # the database was really held for longer than we wait
    for word in ("firm.example", "sandbox-rb2b-webhook", "guess-", "Traceback"):
        assert word not in log


async def test_hundreds_of_deliveries_with_everything_that_can_be_wrong(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    traffic, _ = await through(hive, 200)
    judged(hive, traffic)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_deliveries_and_the_gateway_does_not_grow(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    traffic, grown = await through(hive, 5500)
    judged(hive, traffic)
    assert sum(sum(counts.values()) for counts in traffic.answers.values()) > 10_000
    assert grown < GROWTH_MB


@pytest.mark.long
async def test_what_was_answered_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    hive = tmp_path / "hive"
    promised: set[int] = set()
    for life in range(4):
        where = gateway(hive)

        async def sender(first: int, url: str = where.url) -> None:
            async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S, trust_env=False) as client:
                for number in range(first, first + 100_000):
                    answer = await client.post(RB2B, content=lead(number))
                    assert answer.status_code == 200
                    promised.add(number)

        senders = [
            asyncio.create_task(sender(life * 10_000_000 + width * 100_000)) for width in range(8)
        ]
        wanted = len(promised) + 150
        async with asyncio.timeout(60):
            while len(promised) < wanted:  # noqa: ASYNC110 - no sender knows of the others
                await asyncio.sleep(0.01)
        where.end(signal.SIGKILL)
        ended = await asyncio.gather(*senders, return_exceptions=True)
        assert all(isinstance(error, httpx.TransportError) for error in ended)
    names = {f"sample-{number}" for number in promised}
    with sqlite3.connect(hive / "swarm.db") as database:
        bodies = [body for (body,) in database.execute("SELECT body FROM inbox")]
    database.close()
    kept = {body.partition("linkedin.com/in/")[2].partition('"')[0] for body in bodies}
    assert names <= kept


@pytest.mark.long
async def test_a_gateway_that_starts_while_the_database_is_away_takes_in_all_the_same(
    tmp_path: Path,
) -> None:
    hive = tmp_path / "hive"
    gateway(hive).end(signal.SIGTERM)  # makes the hive
    database = sqlite3.connect(hive / "swarm.db", timeout=30)
    database.execute("BEGIN IMMEDIATE")
    where = gateway(hive)
    async with httpx.AsyncClient(base_url=where.url, timeout=ANSWER_S, trust_env=False) as client:
        assert (await client.post(RB2B, content=lead(1))).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        database.rollback()
        database.close()
        async with asyncio.timeout(60):
            while not (  # noqa: ASYNC110 - it is another process that ends the wait
                counted(hive, "SELECT count(*) FROM inbox")
                and (await client.get("/readyz")).status_code == 200
            ):
                await asyncio.sleep(0.1)
    assert where.end(signal.SIGTERM) == 0
