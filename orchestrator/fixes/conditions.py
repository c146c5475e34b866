"""How the twins are made to fail as a vendor did. Owns: one condition for each measurable fix.

A condition is a set of the twins' switches and, where real time would be too long, a shorter
scale for both runs. Refuses to invent one: what no twin can reproduce is said to be so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guardrails.brakes.failures import FailureKind
from orchestrator.fixes.model import Proposal

Json = dict[str, Any]
_REQUESTS = "/vendors/ghl/limits/requests"
_SCALED_READ_S = 1.0  # what the present limit becomes, so that a replay takes seconds
_SCALED_BURST = 12  # requests in 10 s, so that a few leads make a storm
_STORM_LEADS = 20
_LEADS = 12


@dataclass(frozen=True)
class Condition:
    """One way to fail.

    Args:
        switches: for the twins' `/_twin/behaviour`.
        kinds, vendor: failures that count as this cause's.
        leads: how many are replayed.
        vendor_limits: the twins enforce their rate limits and we keep ours.
        scaled: gives the configuration of both runs, on another time scale if need be.
    """

    text: str
    switches: Json
    kinds: tuple[FailureKind, ...]
    vendor: str
    leads: int = _LEADS
    vendor_limits: bool = False
    scaled: Callable[[Mapping[str, Any]], Json] = lambda document: copy.deepcopy(dict(document))


def condition_of(fix: Proposal, document: Mapping[str, Any]) -> Condition | None:
    """What reproduces the failure of this proposal; None when nothing does.

    Args:
        document: production.json without the patch.
    """
    make = _CONDITIONS.get(fix.diagnosis)
    return make(fix, document) if make and fix.patch and fix.not_measurable is None else None


def _slow(fix: Proposal, document: Mapping[str, Any]) -> Condition | None:
    vendor, _, part = fix.subject.partition(" ")
    change = next((op for op in fix.patch if op.op == "replace"), None)
    if part != "read" or change is None or not isinstance(change.value, int | float):
        return None
    now = float(document["vendors"][vendor]["timeouts"]["read"])
    scale = now / _SCALED_READ_S
    latency = (now * float(change.value)) ** 0.5  # between the two limits

    def scaled(given: Mapping[str, Any]) -> Json:
        whole: Json = copy.deepcopy(dict(given))
        timeouts = whole["vendors"][vendor]["timeouts"]
        timeouts["read"] = round(timeouts["read"] / scale, 4)
        return whole

    return Condition(
        f"{vendor} answering after {latency:.3g} s (time 1:{scale:.3g})",
        {"vendor_latency_ms": {vendor: round(1000 * latency / scale)}},
        ("timeout",),
        vendor,
        scaled=scaled,
    )


def _storm(fix: Proposal, document: Mapping[str, Any]) -> Condition | None:
    replaced = [op for op in fix.patch if op.op == "replace" and op.path == _REQUESTS]
    if not replaced or not isinstance(replaced[0].value, int):
        return None  # only GoHighLevel's twin has a smaller quota than the published one
    scale = replaced[0].value / _SCALED_BURST
    if scale < 1:
        return None

    def scaled(given: Mapping[str, Any]) -> Json:
        whole: Json = copy.deepcopy(dict(given))
        limits = whole["vendors"]["ghl"]["limits"]
        limits["requests"] = max(1, math.floor(limits["requests"] / scale))
        return whole

    return Condition(
        f"ghl allowing {replaced[0].value} requests in 10 s (traffic 1:{scale:.3g})",
        {"rate_limits": ["ghl"], "ghl_burst": _SCALED_BURST},
        ("rate_limit",),
        "ghl",
        leads=_STORM_LEADS,
        vendor_limits=True,
        scaled=scaled,
    )


def _version(fix: Proposal, document: Mapping[str, Any]) -> Condition | None:
    wanted = next((op.value for op in fix.patch if op.op == "replace"), None)
    if not isinstance(wanted, str):
        return None
    return Condition(
        f"ghl taking only Version {wanted}",
        {"ghl_versions": [wanted]},
        ("version_header",),
        "ghl",
    )


def _renamed(fix: Proposal, document: Mapping[str, Any]) -> Condition | None:
    vendor = fix.subject.partition(" ")[0]
    names: dict[str, str] = {}
    for op in fix.patch:
        if op.op in ("add", "replace") and isinstance(op.value, dict):
            names |= {str(known): new for new, known in op.value.items()}
        elif op.op in ("add", "replace") and isinstance(op.value, str):
            names[op.value] = op.path.rpartition("/")[2]
    if not names:
        return None
    told = ", ".join(f"{known} called {new}" for known, new in names.items())
    return Condition(
        f"{vendor} answering with {told}", {"renames": {vendor: names}}, ("schema_drift",), vendor
    )


_CONDITIONS: Mapping[str, Callable[[Proposal, Mapping[str, Any]], Condition | None]] = {
    "slow_vendor": _slow,
    "storm": _storm,
    "wrong_version": _version,
    "renamed_field": _renamed,
}
