"""Failures and fixes as a person reads them. Owns: tables, the text of a proposal, its diff.

What vendors said is outside text: it is printed without markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from guardrails.brakes.failures import Cluster
from guardrails.brakes.quarantine import QuarantinedLead
from orchestrator.fixes.model import Patch, Proposal, Trial
from orchestrator.layout import Rows

_STATUS = {"proposed": "yellow", "applied": "green", "reverted": "dim"}


def cluster_text(found: Sequence[Cluster], since: str) -> str:
    """Two lines for each cause, the most frequent first: readable on any width."""
    if not found:
        return f"No failures in the last {since}."
    total = sum(one.count for one in found)
    lines = [f"{_many(total, 'failure')} of {_many(len(found), 'cause')} in the last {since}", ""]
    for one in found:
        where = f"{one.vendor or one.server}.{one.operation}"
        status = f" HTTP {one.status}" if one.status else ""
        injected = f", {one.injected} injected" if one.injected else ""
        lines += [
            f"{one.count:>6} x {where}  {one.kind}{status}",
            f"         {one.details[0]}",
            f"         {_many(one.leads, 'lead')}{injected}, {_hour(one.first_seen)} to "
            f"{_hour(one.last_seen)}, {one.per_hour:g} an hour, {_dollars(one.cost_micros)}",
        ]
    return "\n".join([*lines, "", "`swarm fixes list` says what can be done about them."])


def fix_table(found: Sequence[Proposal]) -> RenderableType:
    """Each proposal with what it would change."""
    if not found:
        return "No proposals: no failures that a diagnosis knows."
    table = Rows(("Id", "Status", "Failures"), "What, and the remedy", right=("Failures",))
    for fix in found:
        remedy = _changes(fix) or ["a person: " + (fix.steps[0] if fix.steps else "")]
        status = Text(fix.status, style=_STATUS[fix.status])
        told = Text("\n".join([fix.title, *(f"-> {one}" for one in remedy)]))
        table.add(fix.id, status, str(fix.evidence.failures), told=told)
    return Group(table, Text("`swarm fixes show ID` tells more."))


def fix_text(fix: Proposal) -> str:
    """The whole proposal."""
    seen = fix.evidence
    lines = [
        f"{fix.id}  {fix.title}  [{fix.status}]",
        "",
        fix.text,
        "",
        f"Evidence: {seen.failures} failures of {seen.leads} leads, "
        f"{seen.first_seen} to {seen.last_seen}, {seen.per_hour:g} an hour, "
        f"cost {_dollars(seen.cost_micros)}.",
    ]
    if seen.injected:
        lines.append(f"  {seen.injected} of them were injected by a chaos campaign.")
    lines += [f"  said: {detail}" for detail in seen.details]
    lines.append(f"  failures: {', '.join(seen.failure_ids[:5])}")
    if fix.patch:
        lines += ["", f"Patch for config/{fix.file}:", *(f"  {line}" for line in diff(fix))]
    if fix.quarantine:
        lines += ["", f"Applying it quarantines lead {fix.quarantine}."]
    if fix.steps:
        lines += ["", "What a person does:"]
        lines += [f"  {number}. {step}" for number, step in enumerate(fix.steps, 1)]
    lines += ["", f"Expected: {fix.expected}", f"Measured: {_effect(fix)}"]
    return "\n".join(lines)


def diff(fix: Proposal) -> list[str]:
    """The patch, line by line: what goes and what comes."""
    lines: list[str] = []
    for path, old, new in _replaced(fix.patch):
        lines += [f"- {path}: {old}"] if old is not None else []
        lines.append(f"+ {path}: {new}")
    return lines


def quarantine_table(found: Sequence[QuarantinedLead]) -> RenderableType:
    """Each lead with the reason."""
    if not found:
        return "No lead is quarantined."
    table = Rows(("Lead", "Since (UTC)", "Failures"), "Why", right=("Failures",))
    for lead in found:
        table.add(lead.lead_id, _hour(lead.at), str(lead.failures), told=Text(lead.reason))
    more = "`swarm quarantine release LEAD` lets the next run work on it again."
    return Group(table, Text(more))


def _many(number: int, one: str) -> str:
    return f"{number} {one if number == 1 else one + 's'}"


def _changes(fix: Proposal) -> list[str]:
    changes = [
        f"{path}: {new}" if old is None else f"{path}: {old} → {new}"
        for path, old, new in _replaced(fix.patch)
    ]
    return changes + ([f"quarantine {fix.quarantine}"] if fix.quarantine else [])


def _replaced(patch: Patch) -> list[tuple[str, str | None, str]]:
    old = {op.path: json.dumps(op.value) for op in patch if op.op == "test"}
    return [
        (op.path.strip("/").replace("/", "."), old.get(op.path), json.dumps(op.value))
        for op in patch
        if op.op != "test"
    ]


def _effect(fix: Proposal) -> str:
    if fix.measured is None:
        return fix.not_measurable or f"not yet; `swarm fixes measure {fix.id}`"
    before, after = fix.measured.before, fix.measured.after
    return f"{fix.measured.text}.\n  without: {_states(before)}\n  with:    {_states(after)}"


def _states(trial: Trial) -> str:
    return ", ".join(f"{number} {state}" for state, number in trial.states.items()) or "no leads"


def _hour(at: str) -> str:
    return f"{at[5:10]} {at[11:19]}"


def _dollars(micros: int) -> str:
    return f"${micros / 1_000_000:,.2f}"
