"""A pulled cable gives no error: both ends give the other up by themselves, and go on afterwards.

A real one: the process that works on the store stands in a network namespace, and the link is taken
down. By the kernel's own limits it would wait for a quarter of an hour, and PostgreSQL would keep
its sessions for two hours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fleet.network import Place, network
from tests.fleet.postgres import TcpPostgres, tcp_postgres
from tests.processes.swarm import ROOT, environment

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.long,
    pytest.mark.timeout(200),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"
    ),
]
# A store and an engine that work; at each line on stdin the store is asked, and the answer told.
WORKER = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import text
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.engine import Engine

async def echo(word):
    return {"said": word}

async def main():
    hive, url = Hive.open(Path(sys.argv[1]), sandbox=True), sys.argv[2]
    store, engine = open_store(hive, url), Engine(hive, url)
    engine.register("echo", echo)
    engine.lock()
    async with engine:
        for round in range(3):
            try:
                await store.query(lambda conn: conn.execute(text("SELECT 1")).scalar_one())
                print((await engine.run("echo", f"echo-{round}", "served"))["said"], flush=True)
            except StoreUnavailable as error:
                print(error.code, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
    store.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def there() -> Iterator[tuple[Place, TcpPostgres]]:
    """A place, and a database that it reaches by the bridge."""
    with network(1) as net, tcp_postgres(net) as postgres:
        yield net.places[0], postgres


def sessions(postgres: TcpPostgres, place: Place) -> int:
    with psycopg.connect(postgres.url(), autocommit=True) as conn:
        statement = b"SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s::inet"
        [found] = conn.execute(statement, (place.address,)).fetchall()
        return int(found[0])


def test_both_ends_give_the_other_up_and_go_on_when_the_cable_is_back(
    there: tuple[Place, TcpPostgres], tmp_path: Path
) -> None:
    place, postgres = there
    command = [sys.executable, "-c", WORKER, str(tmp_path / "hive"), postgres.url_in_network()]
    with subprocess.Popen(
        place.command(command), env=environment(), cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as worker:  # fmt: skip
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "served\n"
        assert sessions(postgres, place) >= 2  # the store's and the engine's
        place.cut()
        worker.stdin.write("ask\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "store_unavailable\n"
        while sessions(postgres, place) > 0:  # ended by the server: nobody told it
            time.sleep(1)
        place.heal()
        worker.stdin.write("ask\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "served\n"
        worker.stdin.close()
