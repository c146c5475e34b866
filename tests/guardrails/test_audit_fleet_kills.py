"""Two machines, two processes each, record the same decisions while they are killed and stopped.

Whoever was told of a record finds it, on both machines, and there is no other one of that decision.
`make test-long` runs it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest
from sqlalchemy import func, select

from guardrails.audit import AuditEntry, AuditLog
from guardrails.audit.anchors import HeadNotes
from guardrails.audit.verify_fleet import verify_fleet
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.kernel import process_state
from guardrails.store import Store, open_store
from guardrails.store.engine import STILL_MS
from guardrails.store.tables import audit_index

pytestmark = [
    *(pytest.mark.postgres, pytest.mark.kill, pytest.mark.processes, pytest.mark.long),
    pytest.mark.timeout(900),
]
SEED = 20261126
ROUNDS = int(os.environ.get("SWARM_KILL_MOMENTS", "8"))
# Records decisions that the others record as well, in batches and several at once, until it dies.
_RECORDER = """
import asyncio, random, sys
from pathlib import Path
from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import utc_now
from guardrails.errors import AuditUnwritable, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import open_store

hive, first = Hive.open(Path(sys.argv[1]), sandbox=True), int(sys.argv[4])
store = open_store(hive, sys.argv[2])
log = AuditLog(hive, store, utc_now)

async def lane(dice):
    at = first
    while True:
        numbers = [at + dice.randrange(40) for _ in range(dice.randint(1, 6))]
        at += dice.randint(0, 3)
        try:
            refs = await log.record([AuditEntry("review", "x", {}, f"d-{n}") for n in numbers])
        except (AuditUnwritable, StoreUnavailable):
            continue  # told of nothing; asked again
        for n, ref in zip(numbers, refs):
            print(f"{n} {ref.hash}", flush=True)

async def main():
    await asyncio.gather(*(lane(random.Random(f"{sys.argv[3]} {n}")) for n in range(3)))

asyncio.run(main())
"""


# Stands still within an append, claimed and not yet in the file, and goes on when it is woken.
_SLEEPER = """
import asyncio, os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import utc_now
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import open_store

hive = Hive.open(Path(sys.argv[1]), sandbox=True)
store = open_store(hive, sys.argv[2])
log = AuditLog(hive, store, utc_now)
slept = []

@event.listens_for(Engine, "after_cursor_execute")
def after(conn, cursor, statement, *_):
    if statement.startswith("UPDATE audit_heads") and not slept:
        slept.append(True)
        os.kill(os.getpid(), signal.SIGSTOP)

entry = AuditEntry("review", "a", {"who": "sleeper"}, "d-1")
try:
    asyncio.run(log.record([entry]))
    print("recorded")
except StoreUnavailable:
    print("no")
[ref] = asyncio.run(log.record([entry]))
print(ref.existing, ref.hash)
"""


class Recorder:
    """One process, and what it was told."""

    def __init__(self, hive: Hive, url: str, seed: str, first: int) -> None:
        command = [sys.executable, "-P", "-c", _RECORDER, str(hive.path), url, seed, str(first)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.hive = hive
        self.told: list[str] = []

    def hear(self, lines: int) -> None:
        assert self._child.stdout is not None
        self.told += [self._child.stdout.readline() for _ in range(lines)]

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def end(self) -> list[tuple[int, str]]:
        """Kill it; gives (decision, hash) of every record that it was told of."""
        self.send(signal.SIGKILL)
        assert self._child.stdout is not None
        self.told += self._child.stdout.read().splitlines(keepends=True)
        self._child.communicate(timeout=30)
        whole = [line.split() for line in self.told if line.endswith("\n")]
        return [(int(number), digest) for number, digest in whole]


@pytest.fixture
def hives(tmp_path: Path) -> list[Hive]:
    return [Hive.open(tmp_path / name, sandbox=True) for name in ("a", "b")]


def test_killed_and_stopped_at_seeded_moments_every_decision_has_one_record(
    hives: list[Hive], migrated_postgres_url: str
) -> None:
    dice = random.Random(SEED)
    known: dict[int, str] = {}
    for number in range(ROUNDS):
        recorders = [
            Recorder(hive, migrated_postgres_url, f"{number} {hive.path.name} {each}", number * 20)
            for hive in hives
            for each in range(2)
        ]
        for recorder in recorders:
            recorder.hear(dice.randint(1, 40))
        if number % 4 == 3:
            _stand_still(recorders[dice.randrange(4)], recorders)
        dice.shuffle(recorders)
        for recorder in recorders:
            for decision, digest in recorder.end():
                assert known.setdefault(decision, digest) == digest, f"seed {SEED}, {number}"
        where = f"seed {SEED}, round {number}"
        told = _judge(hives, migrated_postgres_url, known, where)
    sys.stderr.write(f"{len(known)} decisions told of; {told}\n")  # pytest -s


def test_who_slept_over_their_claim_records_nothing_and_is_given_the_others_record(
    hives: list[Hive], migrated_postgres_url: str
) -> None:
    a, b = hives
    command = [sys.executable, "-P", "-c", _SLEEPER, str(a.path), migrated_postgres_url]
    sleeper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while (process_state(sleeper.pid) or ("", 0))[0] != "T":
        assert sleeper.poll() is None
        time.sleep(0.01)
    store = open_store(b, migrated_postgres_url)
    log = AuditLog(b, store, utc_now)
    # It waits until the database has let go of the silent one's locks.
    [ref] = anyio.run(log.record, [AuditEntry("review", "b", {"who": "b"}, "d-1")])
    assert not ref.existing
    sleeper.send_signal(signal.SIGCONT)
    told, _ = sleeper.communicate(timeout=60)
    assert told.splitlines() == ["no", f"True {ref.hash}"]
    log.close()
    store.close()
    told = _judge(hives, migrated_postgres_url, {1: ref.hash}, "asleep")
    assert "1 left to nobody" in told  # it was in the file before the commit failed


def _stand_still(one: Recorder, all_of_them: list[Recorder]) -> None:
    """Longer than the database lets anybody hold a lock in silence; then it goes on.

    The other process of its hive waits for it, since there is one file. The other machine does not.
    """
    one.send(signal.SIGSTOP)
    elsewhere = next(each for each in all_of_them if each.hive != one.hive)
    until = time.monotonic() + STILL_MS / 1000 + 2
    while time.monotonic() < until:
        elsewhere.hear(20)
    one.send(signal.SIGCONT)
    one.hear(10)


def _judge(hives: list[Hive], url: str, known: dict[int, str], where: str) -> str:
    stores = [open_store(hive, url) for hive in hives]
    logs = [AuditLog(hive, store, utc_now) for hive, store in zip(hives, stores, strict=True)]
    for hive, store, log in zip(hives, stores, logs, strict=True):
        anyio.run(HeadNotes(hive, store, log).note)
        report = log.verify()
        assert report.ok, f"{where}: {report.problem}"
        for decision, digest in known.items():
            record = log.find(f"d-{decision}")
            assert record is not None, f"{where}: {decision}"
            assert record["hash"] == digest, f"{where}: {decision}"
        fleet = verify_fleet(hive, store)
        assert fleet.ok, f"{where}: {fleet.problem}"
    told = _every_place_is_indexed(stores[0], where)
    for log, store in zip(logs, stores, strict=True):
        log.close()
        store.close()
    return told


def _every_place_is_indexed(store: Store, where: str) -> str:
    """Gives how many records there are, and how many of them a kill left to nobody."""
    rows = select(audit_index.c.chain, func.count(), func.max(audit_index.c.seq))
    with store.read() as conn:
        for _chain, number, last in conn.execute(rows.group_by(audit_index.c.chain)):
            assert number == last, where
        names = conn.execute(select(audit_index.c.audit_id, audit_index.c.decision_id)).all()
    decisions = Counter(row.decision_id for row in names if row.decision_id)
    assert max(decisions.values()) == 1
    left = sum("~" in row.audit_id for row in names)
    return f"{len(names)} records, {len(decisions)} decisions, {left} left to nobody"
