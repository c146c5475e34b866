"""`swarm workers`: who works on this database, and what is in whose hand. Owns: its facts and form.

Refuses to judge: whether a silent worker is missed is the monitor's to say.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, func, select

from guardrails.clock import iso, parse
from guardrails.leases import Worker, WorkerState, read_workers
from guardrails.store.fleet_tables import duties
from guardrails.store.moments import database_now
from guardrails.store.people_tables import inbox
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries
from orchestrator.commands import opened
from orchestrator.delivery_rows import unfinished
from orchestrator.health.model import lasted
from orchestrator.report import console

Json = dict[str, Any]
_STYLE = {WorkerState.ALIVE: "green", WorkerState.SILENT: "bold red", WorkerState.ENDED: "dim"}
_KINDS = ("rows", "deliveries", "inbox")


@dataclass(frozen=True)
class Held:
    """What a worker has: in hand now, and left by sessions of it that are over."""

    in_hand: Json
    left: Json


def fleet_document(conn: Connection) -> Json:
    """Everybody who works here or has, with what is in their hand, and who holds which duty."""
    now = database_now(conn)
    workers = read_workers(conn)
    claims = _claims(conn)
    told = [_told(one, claims, parse(now)) for one in workers]
    return {
        "at": now,
        "alive": sum(one.state is WorkerState.ALIVE for one in workers),
        "silent": sum(one.state is WorkerState.SILENT for one in workers),
        "left": sum(sum(one["left"].values()) for one in told),
        "workers": told,
        "duties": [
            {"name": row.name, "holder": row.holder, "until": row.until}
            for row in conn.execute(select(duties).where(duties.c.until > now).order_by("name"))
        ],
    }


def show_workers(hive: Path, *, as_json: bool) -> int:
    """Show them. 1 when somebody is silent or work of the dead waits to be taken over."""
    with opened(hive) as (_, store), store.read() as conn:
        told = fleet_document(conn)
    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        _print(told)
    return 1 if told["silent"] or told["left"] else 0


def _claims(conn: Connection) -> Counter[tuple[str, str]]:
    """How much is claimed, by session and kind. What a person left or gave up is in no hand."""
    going_on = (runs.c.status == "running", runs.c.left_at.is_(None))
    taken_up = run_items.c.run_id.in_(select(runs.c.run_id).where(*going_on))
    asked = {
        "rows": (run_items.c.claimed_by, run_items.c.state.is_(None) & taken_up),
        "deliveries": (deliveries.c.claimed_by, unfinished()),
        "inbox": (inbox.c.claimed_by, inbox.c.state == "new"),
    }
    found: Counter[tuple[str, str]] = Counter()
    for kind, (column, open_) in asked.items():
        counted = select(column, func.count()).where(open_, column.is_not(None)).group_by(column)
        for session, number in conn.execute(counted):
            found[session, kind] += number
    return found


def _told(worker: Worker, claims: Counter[tuple[str, str]], now: datetime) -> Json:
    held = _held(worker, claims)
    return {
        "worker": worker.worker,
        "session": worker.session,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "mode": worker.mode,
        "state": worker.state.value,
        "since": iso(worker.started_at),
        "heard": iso(worker.beat_at),
        "heard_s": round((now - worker.beat_at).total_seconds(), 1),
        "lease_until": iso(worker.lease_until),
        "lease_s": round((worker.lease_until - now).total_seconds(), 1),
        "ended": iso(worker.ended_at) if worker.ended_at else None,
        "in_hand": held.in_hand,
        "left": held.left,
        "says": worker.document,
    }


def _held(worker: Worker, claims: Counter[tuple[str, str]]) -> Held:
    in_hand, left = dict.fromkeys(_KINDS, 0), dict.fromkeys(_KINDS, 0)
    for (session, kind), number in claims.items():
        if session == worker.session and worker.state is WorkerState.ALIVE:
            in_hand[kind] += number
        elif session.rpartition(".")[0] == worker.worker[:27]:
            left[kind] += number
    return Held(in_hand, left)


def _print(told: Json) -> None:
    if not told["workers"]:
        console().print("Nobody has worked here yet: `swarm up`, or `swarm run`.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("Worker", "Host", "Pid", "V", "Mode", "State", "Lease", "In hand", "Left"):
        table.add_column(column)
    for one in told["workers"]:
        state = WorkerState(one["state"])
        table.add_row(
            one["worker"], one["host"], str(one["pid"]), one["version"], one["mode"],
            Text(_state(one), style=_STYLE[state]),
            f"{one['lease_s']:.0f} s" if state is WorkerState.ALIVE else "",
            _amounts(one["in_hand"]), Text(_amounts(one["left"]), style="yellow"),
        )  # fmt: skip
    console().print(table)
    if told["left"]:
        console().print("What is left is taken over by whoever lives, in the same mode.")
    if told["duties"]:
        console().print(
            Text("duties: " + ", ".join(f"{each['name']} by {each['holder']}"
                                        for each in told["duties"]), style="dim")
        )  # fmt: skip


def _state(one: Json) -> str:
    if one["state"] == WorkerState.ALIVE:
        return "alive"
    return f"{one['state']}, heard {lasted(max(0.0, one['heard_s']))} ago"


def _amounts(held: Json) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in held.items() if number)
