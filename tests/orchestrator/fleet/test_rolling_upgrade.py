"""Versions side by side on one database: both work, and nothing is stranded when the old is gone.

Real processes, the real loop, claims and engine; the workflow is one of two steps.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select, text

from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.model import Lead, Mode
from guardrails.store import Store, open_store
from guardrails.store.tables import run_items
from orchestrator.runs import Runs
from tests.processes.swarm import ROOT, environment

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.timeout(120),
]
ROWS = 14


async def prepared(store: Store) -> None:
    book = Runs(store, utc_now, load_config().production.approvals)
    run = await book.open("file", "R-1", Mode.ASSISTED, True, "leads.csv", fresh=False)
    leads = [Lead(lead_id=f"L-{row:020x}", dedupe_key=f"k{row}", row=row, email=f"p{row}@a.example")
             for row in range(1, ROWS + 1)]  # fmt: skip
    await book.add_page("R-1", leads, [])
    await book.imported(run, ROWS)


def started(
    tmp_path: Path, url: str, name: str, version: str, *, workers: int = 1, lives: int = 0
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "tests.orchestrator.fleet.worker", str(tmp_path / name), url, version,
        str(tmp_path / f"{name}.trace"), str(workers), str(lives),
    ]  # fmt: skip
    with (tmp_path / f"{name}.err").open("w") as said:
        return subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=said)


def ended(tmp_path: Path, name: str, worker: subprocess.Popen[bytes]) -> None:
    assert worker.wait(60) == 0, (tmp_path / f"{name}.err").read_text()


def steps(tmp_path: Path, name: str) -> list[tuple[str, int]]:
    """What that worker did, in order: the step, and the row."""
    file = tmp_path / f"{name}.trace"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(line.split()[1], int(line.split()[2])) for line in lines]


async def left(store: Store) -> tuple[int, int]:
    """Rows that have not ended, and workflows at the engine that somebody could go on with."""
    rows = select(run_items.c.row).where(run_items.c.state.is_(None))
    pending = text(
        "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')"
    )
    return await store.query(
        lambda conn: (len(conn.execute(rows).all()), int(conn.execute(pending).scalar_one()))
    )


@pytest.mark.parametrize("newer", ["2", "1"])
async def test_what_a_dead_worker_had_is_ended_by_the_one_beside_her(
    tmp_path: Path, migrated_postgres_url: str, newer: str
) -> None:
    store = open_store(Hive.open(tmp_path / "look", sandbox=True), migrated_postgres_url)
    await prepared(store)
    old = started(tmp_path, migrated_postgres_url, "old", "1", workers=2, lives=2)
    new = started(tmp_path, migrated_postgres_url, "new", newer, workers=2)
    assert old.wait(60) == -signal.SIGKILL
    ended(tmp_path, "new", new)
    assert await left(store) == (0, 0)
    ours, theirs = steps(tmp_path, "new"), steps(tmp_path, "old")
    decided = Counter(row for step, row in (*ours, *theirs) if step == "decide")
    assert set(decided) == set(range(1, ROWS + 1))
    held = {row for step, row in theirs if step == "gather"} - {
        row for step, row in theirs if step == "decide"
    }
    assert held
    assert all(("decide", row) in ours for row in held)
    # Of the same version it is gone on with behind its last step; of another it is begun anew.
    [died_in] = [row for step, row in theirs if step == "dies"]
    assert (("gather", died_in) in ours) is (newer != "1")
    # She who comes back finds nothing to go on with.
    ended(tmp_path, "old", started(tmp_path, migrated_postgres_url, "old", "1"))
    assert steps(tmp_path, "old") == theirs
    store.close()
