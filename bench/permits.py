"""What a permit costs: minting it, and verifying and spending it where the write is done.

Against a floor in the same run: one bare fsync'd append of the audit record's bytes and one bare
SQLite commit of one row, which is what can be had without a promise. The whole way of one write
(claim, record, mint, bind, spend with the ledger) is shown beside it: four things made durable.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt

from bench.common import show
from guardrails.audit import AuditEntry, AuditLog, AuditRef
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import Mode, WriteAction, WriteIntent
from guardrails.permits import Bound, PermitCheck, PermitMint, PermitRequest
from guardrails.store import Store, open_store

WRITES = 400
Times = dict[str, list[float]]


class Way:
    """Everything between the wish to write and the leave to, over one hive."""

    def __init__(self, hive: Hive, store: Store, log: AuditLog) -> None:
        self._store = store
        self._log = log
        self._salt = hive.salt()
        stop = StopSwitch(hive, store)
        self._ledger = Ledger.of(load_config().production, store, utc_now, self._salt)
        self._mint = PermitMint(hive, log, stop, utc_now)
        self._check = PermitCheck(hive, store, stop, utc_now, "bench")

    async def go(self, number: int, times: Times) -> None:
        """One write, measured."""
        key = f"note:{number}"
        intent = WriteIntent(
            vendor="ghl",
            action=WriteAction.ADD_NOTE,
            recipient=f"contact:{number}",
            content={"text": "A note of ordinary length. " * 8},
        )
        bound = Bound.to(intent, key, Mode.LIVE, "p-1", self._salt)
        request = PermitRequest(**bound.model_dump(), bank_version="b-1", stop_epoch=0)
        entry = self._ledger.entry(key, intent)
        with timed(times, "claim, record, mint, bind, spend"):
            await self._store.run(lambda conn: self._ledger.claim(conn, entry))
            ref = await self._recorded(request)
            with timed(times, "mint"):
                token = self._mint.mint(request, ref)
            jti = jwt.decode(token, options={"verify_signature": False})["jti"]
            await self._store.run(lambda conn: self._ledger.bind(conn, key, jti))
            with timed(times, "verify and spend"):
                await self._check.verify_and_spend(
                    token, bound, also=lambda conn, permit: self._ledger.dispatch(conn, key, permit)
                )
        times["mint, verify and spend"].append(times["mint"][-1] + times["verify and spend"][-1])

    async def _recorded(self, request: PermitRequest) -> AuditRef:
        body = {"permit": request.model_dump(mode="json")}
        [ref] = await self._log.record([AuditEntry("authorize", "gate", body)])
        return ref


class Floor:
    """The same disk without us."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._database = sqlite3.connect(folder / "bare.db", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("CREATE TABLE spent (id TEXT PRIMARY KEY, at TEXT)")

    def go(self, number: int, times: Times) -> None:
        """One append and one commit, measured."""
        with timed(times, "floor: one fsync and one commit"):
            os.write(self._file, b"x" * 900)
            os.fsync(self._file)
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("INSERT INTO spent VALUES (?, ?)", (str(number), "now"))
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close both."""
        os.close(self._file)
        self._database.close()


@contextmanager
def timed(times: Times, name: str) -> Iterator[None]:
    """Seconds of the block, kept under `name`."""
    began = time.perf_counter()
    yield
    times[name].append(time.perf_counter() - began)


async def measure(folder: Path) -> Times:
    """Interleaved, so that a noisy machine hits all alike."""
    hive = Hive.open(folder / "hive", sandbox=True)
    store = open_store(hive)
    log = AuditLog(hive, store, utc_now)
    floor, times = Floor(folder), defaultdict[str, list[float]](list)
    try:
        way = Way(hive, store, log)
        await way.go(-1, defaultdict(list))  # makes the keys
        for number in range(WRITES):
            floor.go(number, times)
            await way.go(number, times)
    finally:
        floor.close()
        log.close()
        store.close()
    return times


def main() -> None:
    """Print the table: milliseconds, and how many times the floor's."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        times = asyncio.run(measure(Path(folder)))
    floor = times["floor: one fsync and one commit"]
    rows = []
    for name, taken in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        p50, p99 = statistics.median(taken), _p99(taken)
        rows.append(
            (
                name,
                f"{p50 * 1000:.2f}",
                f"{p99 * 1000:.2f}",
                f"{p50 / statistics.median(floor):.2f} x",
                f"{p99 / _p99(floor):.2f} x",
            )
        )
    show(
        f"Permits, {WRITES} writes one after the other",
        ("", "p50 ms", "p99 ms", "p50 to floor", "p99 to floor"),
        rows,
    )


def _p99(taken: list[float]) -> float:
    return sorted(taken)[-max(1, len(taken) // 100)]


if __name__ == "__main__":
    main()
