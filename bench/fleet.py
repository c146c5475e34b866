"""Many queens on one PostgreSQL: how they scale, how long a takeover takes, what waiting costs.

Each queen is a process with six servers of its own; the twins and the database share the machine.
With a vendor latency of 200 ms and few leads in hand the vendors are waited for and not this
machine's cores (goal: 3.6 times at four queens); without latency the cores are the limit, published
as it is. Round trips are counted in the statements that the queen's own parts make, and in the
transactions that the database saw of everybody. `python -m bench.fleet [part ...]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
from sqlalchemy import create_engine, event, make_url, text

from bench.common import leads_file, scratch, show, swarm
from bench.deliver import twins
from bench.growth import postgres
from bench.queens import Queens, count, queens_at_work, submit, until
from guardrails.config import config_path
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from orchestrator.shadow import ShadowRun

LATENCY_MS, IN_HAND, LEADS = 200.0, 3, 90
BUSY_IN_HAND, BUSY_LEADS = 16, 200
WORKERS = (1, 2, 4)
WAITING = 10_000
IDLE_S = 20.0
_LONG_S = 900.0


def main() -> None:
    """The tables; or those of the parts that are named."""
    parts = {"scaling": scaling, "takeover": takeover, "trips": trips, "waiting": waiting}
    for name in [each for each in sys.argv[1:] if each in parts] or parts:
        parts[name]()


def scaling() -> None:
    """Leads a second with one, two and four queens."""
    for title, latency, in_hand, leads in (
        (f"{LATENCY_MS:.0f} ms of latency at each vendor, {IN_HAND} leads in hand of each queen "
         "(goal: 3.6 times at 4)", LATENCY_MS, IN_HAND, LEADS),
        (f"no latency, {BUSY_IN_HAND} leads in hand of each queen: the cores are the limit",
         0.0, BUSY_IN_HAND, BUSY_LEADS),
    ):  # fmt: skip
        speeds = {number: _speed(number, latency, in_hand, leads) for number in WORKERS}
        rows = [
            (number, f"{speed:.2f}", f"{speed / speeds[1]:.2f}") for number, speed in speeds.items()
        ]
        show(f"{leads} leads: {title}", ("queens", "leads/s", "times one"), rows)


def takeover() -> None:
    """From a queen's death to when another has taken over what she had in hand."""
    rows = [_takeover(lease_s) for lease_s in (30.0, 6.0)]
    show("Takeover after SIGKILL", ("lease", "leads in hand", "all taken over after"), rows)


def _takeover(lease_s: float) -> tuple[object, ...]:
    with queens_at_work(LATENCY_MS, lease_s) as (queens, store):
        queens.start(2, IN_HAND)
        submit(store, queens.directory, 40)
        victim = Hive.existing(queens.directory / "hive-0").chain_id() + "%"

        def held() -> int:
            return count(store, f"{_OPEN} AND claimed_by LIKE :who", who=victim)

        until(lambda: held() >= IN_HAND - 1, 60)
        queens.processes[0].kill()
        died, had = time.monotonic(), held()
        until(lambda: held() == 0, _LONG_S)
        claimed = time.monotonic() - died
        until(lambda: count(store, _OPEN) == 0, _LONG_S)
        return f"{lease_s:.0f} s", had, f"{claimed:.1f} s"


def trips() -> None:
    """Round trips to the database for one lead, shadow, 16 in hand."""
    rows = [_trips(None)]
    with postgres() as url:
        rows.append(_trips(url))
    show(
        "Statements and transactions for one lead (the queen's parts; then everybody)",
        ("database", "store", "engine", "transactions of all processes"),
        rows,
    )


def waiting() -> None:
    """An idle queen with nobody and with ten thousand waiting for approval."""
    rows = []
    for number in (0, WAITING):
        for kind in ("SQLite", "PostgreSQL"):
            with contextlib.ExitStack() as stack:
                url = stack.enter_context(postgres()) if kind == "PostgreSQL" else ""
                rows.append((kind, f"{number:,}", *_idle(stack, url, number)))
    show(
        f"A queen that has nothing to do, over {IDLE_S:.0f} s",
        ("database", "leads that wait", "CPU of the queen", "of her servers", "queen's memory"),
        sorted(rows),
    )


_OPEN = "SELECT count(*) FROM run_items WHERE state IS NULL"


def _speed(number: int, latency: float, in_hand: int, leads: int) -> float:
    with queens_at_work(latency) as (queens, store):
        queens.start(number, in_hand)
        submit(store, queens.directory, leads)
        rows = "SELECT count(*) FROM run_items"
        until(lambda: count(store, rows) > 0, 60)
        began = time.monotonic()
        until(lambda: count(store, _OPEN) == 0, _LONG_S)
        return leads / (time.monotonic() - began)


def _trips(url: str | None) -> tuple[object, ...]:
    return asyncio.run(_counted(url))


async def _counted(url: str | None, leads: int = 100) -> tuple[object, ...]:
    counts = {"store": 0, "engine": 0}

    def counter(name: str) -> Callable[..., None]:
        def one(*_: Any) -> None:
            counts[name] += 1

        return one

    with scratch() as directory:
        file = leads_file(directory, leads)
        values = {"SWARM_DATABASE_URL": url} if url else {}
        async with swarm(directory, 16, values) as running:
            event.listen(running.store._engine, "before_cursor_execute", counter("store"))
            event.listen(_engine(), "before_cursor_execute", counter("engine"))
            before = _transactions(url)
            await ShadowRun(running, file, None, lambda *_: None).execute(fresh=True)
            all_of_them = (_transactions(url) - before) / leads if url else None
    return (
        "PostgreSQL" if url else "SQLite",
        f"{counts['store'] / leads:.1f}",
        f"{counts['engine'] / leads:.1f}",
        f"{all_of_them:.1f}" if all_of_them is not None else "not told by SQLite",
    )


def _engine() -> Any:
    from dbos._dbos import _get_dbos_instance  # noqa: PLC0415 - only counted, never used

    return _get_dbos_instance()._sys_db.engine


def _transactions(url: str | None) -> int:
    if url is None:
        return 0
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as conn:
        time.sleep(1.1)  # the server's counters are a second late
        asked = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"
        found = int(conn.execute(text(asked)).scalar_one())
    engine.dispose()
    return found


def _idle(stack: contextlib.ExitStack, url: str, number: int) -> tuple[str, str, str]:
    directory = stack.enter_context(scratch())
    port = stack.enter_context(twins())
    hive = Hive.open(directory / "hive-0", sandbox=True)
    store = open_store(hive, url or None)
    _wait_for_people(store, number)
    store.close()
    document: dict[str, Any] = json.loads(config_path("production.json").read_text())
    (directory / "production.json").write_text(json.dumps(document | {"mode": "assisted"}))
    queens = Queens(directory, url, directory / "production.json", port)
    queens.start(1, 16)
    stack.callback(queens.end)
    queen = psutil.Process(queens.processes[0].pid)
    time.sleep(5)  # what a start does has passed
    family = queen.children(recursive=True)
    before = _cpu(queen), sum(map(_cpu, family))
    time.sleep(IDLE_S)
    own, others = _cpu(queen) - before[0], sum(map(_cpu, family)) - before[1]
    memory = queen.memory_info().rss / 2**20
    return f"{own / IDLE_S:.1%}", f"{others / IDLE_S:.1%}", f"{memory:.0f} MB"


def _wait_for_people(store: Store, number: int) -> None:
    """So many leads of one run that wait for a person."""
    values = {
        "at": "2026-11-01T00:00:00.000000Z",
        "far": "2099-01-01T00:00:00.000000Z",
        "yes": True,
    }
    rows = [values | {"row": row, "a": f"A-{row}", "l": f"L-{row}"} for row in range(1, number + 1)]
    with store.transaction() as conn:
        if rows:
            conn.execute(text(_RUN), values | {"total": number})
            conn.execute(text(_ROW), rows)
            conn.execute(text(_APPROVAL), rows)


_RUN = """INSERT INTO runs (run_id, run_key, mode, sandbox, source, status, total, created_at)
VALUES ('R-1', 'k', 'assisted', :yes, 'leads.csv', 'running', :total, :at)"""
_ROW = """INSERT INTO run_items (run_id, row, lead_id, state, updated_at)
VALUES ('R-1', :row, :l, 'awaiting_approval', :at)"""
_APPROVAL = """INSERT INTO approvals (approval_id, decision_audit_id, lead_id, run_id, row, state,
verdict, segment, first_of_segment, content_hash, requested_at, due_at, expires_at, updated_at)
VALUES (:a, :a, :l, 'R-1', :row, 'waiting', 'pass', 's', :yes, 'h', :at, :far, :far, :at)"""


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
