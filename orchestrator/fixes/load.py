"""Diagnoses of "too slow" and "too much": timeouts, 429 storms, outages."""

from __future__ import annotations

import math
import re

from guardrails.brakes.failures import Cluster
from orchestrator.fixes.finding import NO_PATCH, Finding, Setting, replacing, vendor_name
from orchestrator.fixes.model import Patch

_PARTS = {
    "ConnectTimeout": "connect", "ReadTimeout": "read", "WriteTimeout": "write",
    "PoolTimeout": "pool",
}  # fmt: skip
_LONGEST = {"connect": 60, "read": 300, "write": 300, "pool": 60, "total": 600}
_MANY_LEADS = 5
_FEWEST_IN_FLIGHT = 4
_RESERVE = 0.9  # share of work.call_timeout_s that a whole call may take


def slow_vendor(cluster: Cluster, setting: Setting) -> Finding | None:
    """Answers come later than we wait."""
    part = _part(cluster)
    if cluster.kind != "timeout" or cluster.vendor is None or part is None:
        return None
    patch = _longer(setting, cluster.vendor, part)
    now = setting.at(f"/vendors/{cluster.vendor}/timeouts/{part}")
    name = vendor_name(cluster)
    return Finding(
        diagnosis="slow_vendor",
        subject=f"{cluster.vendor} {part}",
        title=f"{name} takes longer than {now:g} s ({part})",
        text=f"{cluster.operation} got no answer within timeouts.{part} = {now:g} s. If {name} "
        "is only slow, waiting longer lets these leads through; if it is down, the breaker "
        "opens and the same failures end with it.",
        patch=patch,
        steps=() if patch else ("The limit is as long as it may be: ask the vendor.",),
        expected=f"Answers that take up to {_doubled(now, part):g} s are waited for."
        if patch
        else NO_PATCH,
        not_measurable=None if patch and part == "read" else _no_twin(part, patch),
    )


def _no_twin(part: str, patch: Patch) -> str:
    if not patch:
        return "not measurable: there is no patch"
    return f"not measurable: the twins are slow in answering, not in timeouts.{part}"


def _part(cluster: Cluster) -> str | None:
    told = re.search(r"\b(\w+Timeout)\b", " ".join(cluster.details))
    return _PARTS.get(told[1]) if told else None


def _doubled(now: float, part: str) -> float:
    return min(now * 2, _LONGEST[part])


def _longer(setting: Setting, vendor: str, part: str) -> Patch:
    """Twice as long, the whole call with it; empty when there is no room."""
    base = f"/vendors/{vendor}/timeouts"
    now, total = setting.at(f"{base}/{part}"), setting.at(f"{base}/total")
    room = math.floor(setting.at("/work/call_timeout_s") * _RESERVE)
    wanted = min(_doubled(now, part), room)
    whole = min(max(total, wanted * 2), room, _LONGEST["total"])
    if wanted <= now or whole < wanted:
        return ()
    longer = replacing(setting, f"{base}/{part}", wanted)
    return longer if whole <= total else longer + replacing(setting, f"{base}/total", whole)


def storm(cluster: Cluster, setting: Setting) -> Finding | None:
    """The vendor says "too many requests" although we keep our limit."""
    if cluster.kind != "rate_limit" or cluster.vendor is None:
        return None
    name = vendor_name(cluster)
    patch = _calmer(setting, cluster)
    return Finding(
        diagnosis="storm",
        subject=cluster.vendor,
        title=f"{name} answers 429: too many requests",
        text=f"{name} refuses calls although we stay below our own limit. Somebody else uses "
        "the same quota, or the account's limit is lower than the published one.",
        patch=patch,
        steps=() if patch else ("The limit is as low as it can be: ask for a larger quota.",),
        expected="Fewer calls at once; leads take a little longer and lose fewer calls."
        if patch
        else NO_PATCH,
        not_measurable=None if patch else "not measurable: there is no patch",
    )


def _calmer(setting: Setting, cluster: Cluster) -> Patch:
    base = f"/vendors/{cluster.vendor}/limits"
    requests, seconds = setting.at(f"{base}/requests"), setting.at(f"{base}/per_seconds")
    patch: Patch = ()
    if requests > 1:
        patch = replacing(setting, f"{base}/requests", max(1, requests * 3 // 4))
    elif seconds * 2 <= 3600:
        patch = replacing(setting, f"{base}/per_seconds", seconds * 2)
    flying = setting.at("/work/concurrency")
    if cluster.leads >= _MANY_LEADS and flying > _FEWEST_IN_FLIGHT:
        fewer = max(_FEWEST_IN_FLIGHT, flying // 2)
        patch += replacing(setting, "/work/concurrency", fewer)
    return patch


def outage(cluster: Cluster, setting: Setting) -> Finding | None:
    """The vendor is down."""
    if cluster.kind not in ("server_error", "malformed", "connection") or cluster.vendor is None:
        return None
    name = vendor_name(cluster)
    return Finding(
        diagnosis="outage",
        subject=cluster.vendor,
        title=f"{name} is failing",
        text=f"{name} answers with server errors, or not at all. The breaker keeps calls away "
        "from it and lets one probe through at a time; leads that need it are deferred, not "
        "lost.",
        steps=(
            f"Look at {name}'s status page.",
            "Nothing is to be changed here: run the same command again when it is back.",
        ),
        expected=NO_PATCH,
        not_measurable="not measurable: no configuration mends a vendor that is down",
    )
