"""The real gateway as a process, a stand-in for the queen, and traffic as the world sends it."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from servers.common.contract_sandbox import RB2B_WEBHOOK_SECRET
from tests.processes.swarm import ROOT, environment

RB2B = f"/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}"
ANSWER_S = 15.0  # RB2B gives up then
BODY_S = 1.0
BODY_BYTES = 65_536
WORKER = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import insert
from guardrails.clock import iso, utc_now
from guardrails.hive import Hive
from guardrails.store import open_store
from guardrails.store.people_tables import outcomes
from orchestrator.inbox import Inbox, Source, settle

async def main():
    store = open_store(Hive.existing(Path(sys.argv[1])))
    inbox = Inbox(store, utc_now)
    print("working", flush=True)
    while True:
        for one in await inbox.next_batch(50):
            one.document()
            def work(conn, one=one):
                at = utc_now()
                # A plain INSERT: done twice, it would fail.
                row = {"outcome_id": one.id, "kind": "seen", "vendor": "rb2b", "at": iso(at)}
                conn.execute(insert(outcomes), row | {"created_at": iso(at)})
                assert settle(conn, one.id, at)
            await store.run(work)
        await asyncio.sleep(0.05)

asyncio.run(main())
"""


@dataclass
class Process:
    """A child that said that it is ready."""

    popen: subprocess.Popen[str]
    said: str

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        where = json.loads(self.said)
        return f"http://{where['host']}:{where['port']}"

    def end(self, number: signal.Signals) -> int:
        """Signal it, and its exit code."""
        self.popen.send_signal(number)
        code = self.popen.wait(30)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code


def start(*arguments: str, cwd: Path, **env: str) -> Process:
    """Start a Python process that prints one line when it is ready."""
    popen = subprocess.Popen(
        [sys.executable, "-P", *arguments],
        cwd=cwd, env=environment(**env), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert popen.stdout is not None
    said = popen.stdout.readline()
    if not said:
        popen.wait(30)
        popen.stdout.close()
        raise AssertionError(f"{arguments} did not start")
    return Process(popen, said)


def gateway(hive: Path, *extra: str, port: int = 0) -> Process:
    """The real command, over small limits."""
    config = hive.parent / "gateway.json"
    if not config.exists():
        production = json.loads((ROOT / "config" / "production.json").read_text())
        production["gateway"] |= {"body_timeout_s": BODY_S, "max_body_bytes": BODY_BYTES}
        config.write_text(json.dumps(production))
    arguments = ["--sandbox", "--json", "--hive", str(hive), "--config", str(config)]
    module = ["-m", "orchestrator.gateway"]
    return start(*module, *arguments, "--port", str(port), *extra, cwd=hive.parent)


@contextmanager
def worker(hive: Path) -> Iterator[list[Process]]:
    """A stand-in for the queen, in a list, so that it can be killed and replaced."""
    running = [start("-c", WORKER, str(hive), cwd=hive.parent)]
    try:
        yield running
    finally:
        running[-1].end(signal.SIGKILL)


@dataclass
class Traffic:
    """What was sent, what was promised, and what came back."""

    seed: int
    leads: int
    dice: random.Random = field(init=False)
    promised: set[int] = field(default_factory=set)  # leads for which we heard 200
    answers: dict[str, dict[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def plan(self) -> list[tuple[str, int]]:
        """Every lead, some twice or thrice, with everything else in between."""
        sent = [("lead", n) for n in range(self.leads)]
        sent += [("lead", self.dice.randrange(self.leads)) for _ in range(self.leads // 2)]
        sent += [("junk", n) for n in range(self.leads // 6)]
        sent += [("wrong", n) for n in range(self.leads // 6)]
        sent += [("large", n) for n in range(self.leads // 60)]
        sent += [("slow", n) for n in range(max(3, self.leads // 300))]
        self.dice.shuffle(sent)
        return sent

    async def send(self, client: httpx.AsyncClient, kind: str, number: int) -> None:
        """One delivery; what it was answered is counted."""
        if kind == "slow":
            status = await _drip(client.base_url, number)
        else:
            path = RB2B if kind != "wrong" else f"/webhooks/rb2b/guess-{number}"
            status = (await client.post(path, content=_content(kind, number))).status_code
        counts = self.answers.setdefault(kind, {})
        counts[status] = counts.get(status, 0) + 1
        if kind == "lead" and status == 200:
            self.promised.add(number)


def lead(number: int) -> bytes:
    """A visitor as RB2B sends one."""
    visitor: dict[str, Any] = {
        "LinkedIn URL": f"https://www.linkedin.com/in/sample-{number}",
        "First Name": f"Ana {number}",
        "Business Email": f"ana{number}@firm.example",
        "Captured URL": "https://us.example/pricing",
        "Seen At": "2026-03-10T14:00:00+00:00",
    }
    return json.dumps(visitor).encode()


def _content(kind: str, number: int) -> bytes:
    if kind == "junk":
        return f"no JSON {number}".encode()
    if kind == "large":
        return f'{{"First Name": "{number}'.encode() + b"x" * (BODY_BYTES + 1000)
    return lead(number)


async def _drip(url: httpx.URL, number: int) -> int:
    """Begin a body and never end it; the status that we hear all the same."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    begun = f'{{"First Name": "slow {number}'
    writer.write(f"POST {RB2B} HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{begun}".encode())
    try:
        async with asyncio.timeout(ANSWER_S):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
