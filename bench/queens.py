"""Queens for a measurement: processes of their own on one database. Owns: their start and end."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from bench.common import leads_file, scratch
from bench.deliver import twins
from bench.growth import postgres
from guardrails.clock import utc_now
from guardrails.config import config_path
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from orchestrator.submission_rows import Submission, hand_in, submission_id


@dataclass
class Queens:
    """Queens that work for one measurement."""

    directory: Path
    url: str
    config: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, number: int, in_hand: int) -> None:
        """So many, each on a hive of its own; back when all of them work."""
        ready = []
        for each in range(number):
            out = self.directory / f"queen-{len(self.processes)}.out"
            with out.open("wb") as said:
                self.processes.append(subprocess.Popen(
                    [
                        sys.executable, "-P", "-m", "orchestrator.cli", "queen", "--sandbox",
                        "--json", "--twins", str(self.port), "--concurrency", str(in_hand),
                        "--hive", str(self.directory / f"hive-{each}"),
                        "--config", str(self.config),
                    ],
                    env=dict(os.environ) | {"SWARM_DATABASE_URL": self.url},
                    stdout=said, stderr=subprocess.DEVNULL,
                ))  # fmt: skip
            ready.append(out)
        until(lambda: all(out.stat().st_size for out in ready), 120)

    def end(self) -> None:
        """All of them, in order."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(60)


@contextmanager
def queens_at_work(latency: float, lease_s: float = 30.0) -> Iterator[tuple[Queens, Store]]:
    with scratch() as directory, postgres() as url, twins() as port:
        store = open_store(Hive.open(directory / "look", sandbox=True), url)
        vendors = dict.fromkeys(
            ("ghl", "instantly", "clay", "rb2b", "gdelt", "google_news"), latency
        )
        httpx.post(
            f"http://127.0.0.1:{port}/_twin/behaviour", json={"vendor_latency_ms": vendors},
            trust_env=False, timeout=30,
        ).raise_for_status()  # fmt: skip
        queens = Queens(directory, url, _configured(directory, lease_s), port)
        try:
            yield queens, store
        finally:
            queens.end()
            store.close()


def _configured(directory: Path, lease_s: float) -> Path:
    document: dict[str, Any] = json.loads(config_path("production.json").read_text())
    document["work"] |= {"lease_seconds": lease_s, "lease_renew_seconds": min(5.0, lease_s / 3)}
    document["spend"]["daily_cap_micros"] = 10**9
    document["spend"]["vendor_daily_cap_micros"] = dict.fromkeys(("clay", "rb2b"), 10**9)
    file = directory / "production.json"
    file.write_text(json.dumps(document))
    return file


def submit(store: Store, directory: Path, leads: int) -> None:
    """Hand leads in, as an MCP client does: whichever queen takes them up makes them rows."""
    rows = list(csv.reader(leads_file(directory, leads).open(newline="")))
    sheet = io.StringIO()
    csv.writer(sheet, lineterminator="\n").writerows(rows)
    handed = Submission(
        submission_id=submission_id(sheet.getvalue(), None), csv_text=sheet.getvalue()
    )
    with store.transaction() as conn:
        hand_in(conn, handed, utc_now())


def count(store: Store, statement: str, **values: str) -> int:
    """The only value of the only row."""
    with store.read() as conn:
        return int(conn.execute(text(statement), values).scalar_one())


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the fleet did not get there")
        time.sleep(0.05)
