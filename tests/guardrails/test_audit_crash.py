"""Killed while appending, or out of disk: whatever was acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from guardrails.audit import AuditEntry, AuditLog, audit_id_of
from guardrails.clock import utc_now
from guardrails.errors import AuditUnwritable
from guardrails.hive import Hive
from guardrails.store import open_store

SEED = 20260310
MOMENTS = int(os.environ.get("SWARM_KILL_MOMENTS", "4"))
_WRITER = """
import asyncio, resource, sys
from pathlib import Path
from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import utc_now
from guardrails.errors import AuditUnwritable, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import open_store

path, name, start, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
hive = Hive.open(path, sandbox=True)
store = open_store(hive, sys.argv[5] or None)
log = AuditLog(hive, store, utc_now)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

async def write(lane):
    for number in range(start, start + 100_000, 3):
        decision = f"{name}-{lane}-{number}"
        [ref] = await log.record([AuditEntry("review", name, {"pad": "x" * 300}, decision)])
        print(ref.audit_id, flush=True)

async def main():
    try:
        await asyncio.gather(*(write(lane) for lane in range(3)))
    except AuditUnwritable:
        raise SystemExit(7)
    except StoreUnavailable:
        raise SystemExit(8)

asyncio.run(main())
"""


def _start(
    hive: Hive, name: str, start: int = 0, limit: int = 0, url: str | None = None
) -> subprocess.Popen[str]:
    arguments = [str(hive.path), name, str(start), str(limit), url or ""]
    command = [sys.executable, "-P", "-c", _WRITER, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _kill_after(child: subprocess.Popen[str], lines: int) -> list[str]:
    """The ids that `child` acknowledged until it was killed, at least `lines` of them."""
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    # Not `communicate`: it would lose what was read ahead, and begin in the middle of a line.
    rest = child.stdout.read()
    child.communicate(timeout=30)
    # The last line may be torn by the kill; an id that was not printed whole was not told.
    return [line.strip() for line in [*told, *rest.splitlines(keepends=True)] if line[-1:] == "\n"]


def _count_ids(hive: Hive, url: str | None = None) -> Counter[str]:
    store = open_store(hive, url)
    log = AuditLog(hive, store, utc_now)
    report = log.verify()
    assert report.ok, report.problem
    ids = Counter(record["audit_id"] for record in log.iter_records())
    log.close()
    store.close()
    return ids


@pytest.mark.kill
@pytest.mark.processes
def test_kill_at_seeded_moments_loses_and_doubles_nothing(hive: Hive) -> None:
    dice = random.Random(SEED)
    told: set[str] = set()
    for moment in range(MOMENTS):
        children = [_start(hive, name, moment * 1000) for name in ("a", "b")]
        for child in children:
            told.update(_kill_after(child, dice.randint(1, 60)))
        ids = _count_ids(hive)
        assert max(ids.values()) == 1, f"seed {SEED}, moment {moment}"
        assert told <= set(ids), f"seed {SEED}, moment {moment}"


@pytest.mark.kill
@pytest.mark.anyio
async def test_after_a_kill_a_retried_decision_finds_its_record(hive: Hive) -> None:
    child = _start(hive, "a")
    told = _kill_after(child, 5)
    store = open_store(hive)
    log = AuditLog(hive, store, utc_now)
    decisions = [f"a-{lane}-{number}" for lane in range(3) for number in range(0, 60, 3)]
    await log.record([AuditEntry("review", "a", {}, decision) for decision in decisions])
    ids = Counter(record["audit_id"] for record in log.iter_records())
    assert {audit_id_of(decision) for decision in decisions} | set(told) <= set(ids)
    assert max(ids.values()) == 1
    assert log.verify().ok
    log.close()
    store.close()


@pytest.mark.processes
def test_a_full_disk_is_a_no_and_leaves_a_whole_chain(hive: Hive, store_url: str | None) -> None:
    open_store(hive, store_url).close()
    # SQLite's own files meet the limit first; with PostgreSQL only the audit can meet it.
    child = _start(hive, "a", limit=300_000, url=store_url)
    output, errors = child.communicate(timeout=60)
    assert child.returncode == (7 if store_url else 8), errors
    ids = _count_ids(hive, store_url)
    assert len(ids) > 5
    assert set(output.split()) <= set(ids)
    assert max(ids.values()) == 1
    after = _start(hive, "b", url=store_url)
    assert set(_kill_after(after, 5)) <= set(_count_ids(hive, store_url))


@pytest.mark.anyio
@pytest.mark.parametrize("part", [1, 40, -1])
async def test_what_a_crash_left_of_a_line_is_cut_off(hive: Hive, part: int) -> None:
    store = open_store(hive)
    log = AuditLog(hive, store, utc_now)
    await log.record([AuditEntry("review", "a", {"pad": "x" * 100_000})])
    [file] = hive.audit_dir.glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:part])
    for writer in (log, AuditLog(hive, store, utc_now)):
        await writer.record([AuditEntry("review", "a")])
        assert writer.verify().ok
        writer.close()
    assert len(file.read_bytes().splitlines()) == 3
    store.close()


@pytest.mark.anyio
async def test_a_lock_that_cannot_be_taken_is_a_no_and_changes_nothing(
    hive: Hive, tmp_path: Path
) -> None:
    store = open_store(hive)
    log = AuditLog(hive, store, utc_now)
    await log.record([AuditEntry("review", "a")])
    [file] = hive.audit_dir.glob("*.jsonl")
    before = file.read_bytes()
    (hive.audit_dir / ".lock").unlink()
    (hive.audit_dir / ".lock").mkdir()
    for _ in range(3):
        with pytest.raises(AuditUnwritable):
            await log.record([AuditEntry("review", "a")])
    (hive.audit_dir / ".lock").rmdir()
    assert file.read_bytes() == before
    await log.record([AuditEntry("review", "a")])
    assert log.verify().records == 2
    log.close()
    store.close()
