"""Diagnoses of "the answer has another form": a field was renamed, retyped or dropped.

A renamed field can be read by its new name (`vendors.X.renamed_fields`), unless it is one that
says whom we may write to: an alias there could make an opt-out disappear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from guardrails.brakes.failures import Cluster
from orchestrator.fixes.allowed import alias_refusal
from orchestrator.fixes.finding import NO_PATCH, Finding, Setting, vendor_name
from orchestrator.fixes.model import Patch, PatchOp

_TOLD = re.compile(
    r"field (?:(?P<where>[^:;]*)\.)?(?P<field>[^.:;]+): (?P<problem>[^;]+); beside it: (?P<rest>.*)"
)
_ALIKE = 0.6
_ALWAYS_THERE = frozenset({"traceid", "total", "count", "meta", "statuscode", "requestid"})
_CONTAINER = frozenset({"", "contact", "contacts", "items", "result", "data", "articles"})


@dataclass(frozen=True)
class _Told:
    where: str
    field: str
    problem: str
    beside: tuple[str, ...]


def drifted(cluster: Cluster, setting: Setting) -> Finding | None:
    """An answer lacks a field, or has it with another type."""
    told = _told(cluster)
    if cluster.kind != "schema_drift" or cluster.vendor is None or told is None:
        return None
    candidate = _candidate(told) if told.problem == "missing" else None
    refused = alias_refusal(candidate, told.field) if candidate else None
    if candidate is None or refused:
        return _for_a_person(cluster, told, candidate, refused)
    place = f"{told.where}.{told.field}" if told.where else told.field
    return Finding(
        diagnosis="renamed_field",
        subject=f"{cluster.vendor} {told.field}",
        title=f"{vendor_name(cluster)} now calls {told.field} {candidate}",
        text=f"{cluster.operation}: {place} is missing, and {candidate} stands there, which we "
        "do not know. Most likely the vendor renamed it. Compare with the vendor's changelog "
        "before you apply this: an alias trusts the new field with the old one's meaning.",
        patch=_alias(setting, cluster.vendor, candidate, told.field),
        expected=f"{candidate} is read as {told.field} wherever {told.field} is absent.",
    )


def _told(cluster: Cluster) -> _Told | None:
    for detail in cluster.details:
        found = _TOLD.search(detail)
        if found:
            names = tuple(name.strip(" …") for name in found["rest"].split(","))
            known = tuple(name for name in names if name and name != "nothing unknown")
            return _Told(found["where"] or "", found["field"], found["problem"], known)
    return None


def _candidate(told: _Told) -> str | None:
    likely = [name for name in told.beside if name.lower() not in _ALWAYS_THERE]
    alike = [name for name in likely if _similar(told.field, name)]
    if alike:
        return alike[0]
    alone = len(likely) == 1 and not told.where and told.field in _CONTAINER
    return likely[0] if alone else None


def _similar(known: str, name: str) -> bool:
    one, other = _folded(known), _folded(name)
    longer, shorter = (other, one) if len(other) > len(one) else (one, other)
    ends = len(shorter) >= (2 if shorter == one else 4) and longer.endswith(shorter)
    return ends or one == other or SequenceMatcher(None, one, other).ratio() >= _ALIKE


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _alias(setting: Setting, vendor: str, new: str, known: str) -> Patch:
    base = f"/vendors/{vendor}/renamed_fields"
    there = setting.at(base)
    if there is None:
        return (PatchOp(op="add", path=base, value={new: known}),)
    if new in there:
        old = PatchOp(op="test", path=f"{base}/{new}", value=there[new])
        return (old, PatchOp(op="replace", path=f"{base}/{new}", value=known))
    return (PatchOp(op="add", path=f"{base}/{new}", value=known),)


def _for_a_person(
    cluster: Cluster, told: _Told, candidate: str | None, refused: str | None
) -> Finding:
    name = vendor_name(cluster)
    how = "is missing" if told.problem == "missing" else f"has another type ({told.problem})"
    place = f"{told.where}.{told.field}" if told.where else told.field
    guess = f" {candidate} stands there instead, but: {refused}." if refused else ""
    return Finding(
        diagnosis="changed_field",
        subject=f"{cluster.vendor} {told.field}",
        title=f"{name} changed the form of its answer: {told.field}",
        text=f"{cluster.operation}: {place} {how}.{guess} No alias can mend this, and guessing "
        "would decide leads on wrong data; they are deferred until the adapter is mended.",
        steps=(
            f"Whoever maintains the adapter compares {place} with {name}'s documentation "
            f"(servers/*/vendor*.py) and mends it.",
            f"Found beside it: {', '.join(told.beside) or 'nothing unknown'}.",
        ),
        expected=NO_PATCH,
        not_measurable="not measurable: there is no patch",
    )
