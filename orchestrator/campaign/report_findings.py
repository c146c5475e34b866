"""What Auto-Fix found, in one form for every page. Owns: reading clusters and proposals.

They are JSON documents of other parts: what is absent is left out, and nothing here fails on a
field that is new or missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.campaign.words import clean, line, words

Json = Mapping[str, Any]
_LONGEST_PATCH = 200  # lines
_EVIDENCE = ("failures", "leads", "per_hour", "injected", "cost_micros", "details")


@dataclass(frozen=True)
class Fact:
    """A name and what is said of it."""

    name: str
    value: str


@dataclass(frozen=True)
class Finding:
    """One cluster of failures that share a cause."""

    title: str
    count: int
    facts: tuple[Fact, ...]
    details: tuple[str, ...]


@dataclass(frozen=True)
class DiffLine:
    """One line of a patch: `+`, `-` or the place that it is about (`@`)."""

    mark: str
    text: str


@dataclass(frozen=True)
class Proposal:
    """What Auto-Fix proposes; applied by a person or not at all."""

    title: str
    name: str
    diagnosis: str
    file: str
    diff: tuple[DiffLine, ...]
    facts: tuple[Fact, ...]


def finding(cluster: Json) -> Finding:
    """A cluster, e.g. `ghl · search_contacts · http 503`."""
    where = cluster.get("vendor") or cluster.get("server")
    parts = [where, cluster.get("operation"), cluster.get("kind"), cluster.get("status")]
    title = " · ".join(words(part) for part in parts if part) or "failures without a name"
    number = _first(cluster, "count", "failures", "number")
    wanted = ("leads", "per_hour", "injected", "first_seen", "last_seen", "cost_micros",
              "signature")  # fmt: skip
    told = [(words(name), cluster[name]) for name in wanted if cluster.get(name) is not None]
    details = cluster.get("details") or ()
    shown = [details] if isinstance(details, str) else list(details)
    return Finding(
        title=title,
        count=number if isinstance(number, int) else 0,
        facts=tuple(Fact(name, written(value)) for name, value in told),
        details=tuple(clean(detail, 400) for detail in shown[:3]),
    )


def proposal(document: Json) -> Proposal:
    """A proposal with its patch as a diff."""
    patch = document.get("patch") or ()
    told = {name: document.get(name) for name in ("evidence", "steps", "expected", "status")}
    evidence = told["evidence"]
    if isinstance(evidence, Mapping):
        told["evidence"] = {key: evidence[key] for key in _EVIDENCE if key in evidence}
    told["measured effect"] = _effect(document.get("measured") or document.get("not_measurable"))
    return Proposal(
        title=words(_first(document, "title", "diagnosis") or "proposal"),
        name=line(_first(document, "id", "fix_id") or ""),
        diagnosis=written(_first(document, "text", "diagnosis") or "", 1200),
        file=line(f"config/{document.get('file') or 'production.json'}"),
        diff=diff(patch) if isinstance(patch, (list, tuple)) else (),
        facts=tuple(Fact(words(name), written(it, 1200)) for name, it in told.items() if it),
    )


def _effect(measured: Any) -> Any:
    """The measured effect as one sentence, when it has the form of one."""
    if not isinstance(measured, Mapping):
        return measured
    before, after = measured.get("before"), measured.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return measured
    return (
        f"{written(before.get('leads'))} leads replayed, {line(measured.get('condition', ''))}: "
        f"{written(before.get('failures'))} such failures without the patch, "
        f"{written(after.get('failures'))} with it"
    )


def _first(document: Json, *names: str) -> Any:
    return next((document[name] for name in names if document.get(name) is not None), None)


def diff(patch: Sequence[Any]) -> tuple[DiffLine, ...]:
    """RFC 6902 operations as a person reads them; a `test` before one tells the old value."""
    lines: list[DiffLine] = []
    tested: dict[str, Any] = {}
    for operation in patch:
        if not isinstance(operation, Mapping):
            continue
        op, path = operation.get("op"), line(operation.get("path", ""))
        if op == "test":
            tested[path] = operation.get("value")
            continue
        lines.append(DiffLine("@", f"{path}  ({line(op)})"))
        old = next((operation[name] for name in ("old", "was", "from") if name in operation),
                   tested.get(path))  # fmt: skip
        if op in ("replace", "remove", "move") and old is not None:
            lines += [DiffLine("-", part) for part in _json(old)]
        if op in ("replace", "add"):
            lines += [DiffLine("+", part) for part in _json(operation.get("value"))]
    return tuple(lines[:_LONGEST_PATCH])


def _json(value: Any) -> list[str]:
    given = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return [clean(part, 400) for part in given.splitlines()]


def written(value: Any, limit: int = 400) -> str:
    """Any JSON value as words: `failed 12, cured 11`."""
    if isinstance(value, Mapping):
        told = (f"{words(key)} {written(inner, 200)}" for key, inner in value.items())
        return clean(", ".join(told) or "none", limit)
    if isinstance(value, (list, tuple)):
        return clean(", ".join(written(inner, 200) for inner in value) or "none", limit)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else clean("-" if value is None else value, limit)
