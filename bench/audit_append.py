"""Audit append against a bare fsync'd append of the same bytes, in one run.

Ratios are times: 3.0 means that the audit takes three times as long as write and fsync alone.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.store import open_store

ROUNDS = 5
SINGLE = 200  # appends one after the other, each round
IN_FLIGHT = 16
WAVES = 25  # of IN_FLIGHT concurrent appends, each round
BODY = {
    "verdict": "pass",
    "inputs_digest": "0" * 64,
    "checks": [
        {"rule": f"rule_{n}", "verdict": "pass", "code": "ok", "text": "Holds."} for n in range(12)
    ],
}


def main() -> dict[str, float]:
    """Run, print and return the medians (microseconds an append) and their ratios."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = asyncio.run(_measure(Path(folder)))
    bare = found["bare_fsync_us"]
    result = {
        **found,
        "single_ratio": found["audit_single_us"] / bare,
        "concurrent_ratio": found["audit_16_us"] / bare,
    }
    print("audit append against a bare fsync'd append of the same bytes")
    for name, value in result.items():
        print(f"{name:20} {value:10.2f}")
    return result


async def _measure(folder: Path) -> dict[str, float]:
    hive = Hive.open(folder / "hive", sandbox=True)
    store = open_store(hive)
    log = AuditLog(hive, store, utc_now)
    bare, single, concurrent = [], [], []
    try:
        for number in range(ROUNDS):  # interleaved, so that a noisy machine hits all alike
            single.append(await _single(log, number))
            [file, *_] = hive.audit_dir.glob("*.jsonl")
            bare.append(_bare(folder / "bare", file.read_bytes().splitlines(keepends=True)[-1]))
            concurrent.append(await _concurrent(log, number))
    finally:
        log.close()
        store.close()
    return {
        "bare_fsync_us": statistics.median(bare),
        "audit_single_us": statistics.median(single),
        "audit_16_us": statistics.median(concurrent),
    }


async def _single(log: AuditLog, number: int) -> float:
    began = time.perf_counter()
    for each in range(SINGLE):
        await log.record([AuditEntry("review", "bench", BODY, f"s-{number}-{each}", "L-1", "R-1")])
    return (time.perf_counter() - began) / SINGLE * 1e6


async def _concurrent(log: AuditLog, number: int) -> float:
    began = time.perf_counter()
    for wave in range(WAVES):
        names = [f"c-{number}-{wave}-{each}" for each in range(IN_FLIGHT)]
        calls = [log.record([AuditEntry("review", "bench", BODY, name, "L-1", "R-1")])
                 for name in names]  # fmt: skip
        await asyncio.gather(*calls)
    return (time.perf_counter() - began) / (WAVES * IN_FLIGHT) * 1e6


def _bare(path: Path, line: bytes) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        began = time.perf_counter()
        for _ in range(SINGLE):
            os.write(descriptor, line)
            os.fsync(descriptor)
        return (time.perf_counter() - began) / SINGLE * 1e6
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
