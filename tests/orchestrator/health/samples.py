"""A quiet swarm as the monitor sees it, to which one thing is done at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from guardrails.clock import iso
from guardrails.config import load_config
from guardrails.heartbeats import Heartbeat
from orchestrator.health.facts import Queue, Rates, WorkFacts
from orchestrator.health.incidents import Incident
from orchestrator.health.judge import judge
from orchestrator.health.model import Disk, Finding, Limits, Seen, Severity, Snapshot

PRODUCTION = load_config().production
LIMITS = Limits(PRODUCTION.monitor, PRODUCTION.auto_pause)
RULES = PRODUCTION.monitor
NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
HOST = "here"
SERVERS = ("hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")


def ago(seconds: float) -> datetime:
    """So many seconds before now."""
    return NOW - timedelta(seconds=seconds)


def server(pid: int, silent_s: float = 3, restarted: tuple[float, ...] = ()) -> dict[str, Any]:
    """What the queen says of a server; `restarted` in seconds ago."""
    return {
        "pid": pid,
        "good_at": iso(ago(silent_s)),
        "restarts": len(restarted),
        "restarted": [iso(ago(each)) for each in restarted],
    }


def beat(role: str, pid: int, silent_s: float = 2, host: str = HOST, **more: Any) -> Heartbeat:
    """A process, last heard of so many seconds ago."""
    known: dict[str, Any] = {
        "name": f"{role}@{host}", "pid": pid, "host": host, "started_at": ago(9000),
        "beat_at": ago(silent_s), "interval_s": 5, "born": pid * 10,
    }  # fmt: skip
    return Heartbeat(**known | more)


def queen(silent_s: float = 2, host: str = HOST, **servers: Any) -> Heartbeat:
    """The queen; `servers` in place of the quiet ones."""
    quiet = {name: server(200 + number) for number, name in enumerate(SERVERS)}
    return beat("queen", 100, silent_s, host, document={"servers": quiet | servers})


def work(**changes: Any) -> WorkFacts:
    """What the database says of a quiet swarm."""
    nothing = WorkFacts(
        heartbeats=(queen(), beat("gateway", 101)), stop_row=(False, None, 0), inbox=Queue(),
        inbox_failed=0, visitors=Queue(), deliveries=Queue(), writes_unknown=Queue(),
        writes_open=Queue(), approvals_waiting=Queue(), approvals_overdue=Queue(),
        slack=Queue(), slack_failed=0, lessons=Queue(), vendors=(), breakers=(), keys=(),
        spend=(), rates=Rates(), pauses=(),
    )  # fmt: skip
    return replace(nothing, **changes)


def snapshot(**changes: Any) -> Snapshot:
    """A quiet swarm on this machine, all of whose processes live."""
    pids = (100, 101, *range(200, 206))
    return Snapshot(
        now=NOW,
        at=NOW,
        host=HOST,
        hive_there=True,
        work=changes.pop("work", work()),
        seen=changes.pop("seen", {pid: Seen("S", pid * 10) for pid in pids}),
        disk=Disk(100_000, 200_000),
        audit_checked=True,
    ).with_(**changes)


def found(seen: Snapshot) -> dict[str, Finding]:
    """What is found, by key."""
    return {finding.key: finding for finding in judge(seen, LIMITS).findings}


def only(seen: Snapshot) -> Finding:
    """The one thing that is found."""
    (finding,) = found(seen).values()
    return finding


def finding(key: str = "disk:space", severity: Severity = Severity.WARNING) -> Finding:
    """Something wrong."""
    return Finding(key, severity, "Something is wrong", "Do something")


def incident(key: str = "disk:space", **changes: Any) -> Incident:
    """One that was opened now."""
    known: dict[str, Any] = {
        "key": key, "severity": Severity.WARNING, "what": "Something is wrong",
        "do": "Do something", "since": NOW, "opened_at": NOW,
    }  # fmt: skip
    return Incident(**known | changes)
