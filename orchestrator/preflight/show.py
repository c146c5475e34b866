"""A preflight for a person and for a script. Owns: the order of telling: what to do next, last.

On a terminal the last lines are the ones that are read: which mode is open, and what keeps the
next one shut, in the order in which to mend it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from guardrails.clock import Clock, iso
from guardrails.model import Mode
from guardrails.readiness_model import Standing
from orchestrator.preflight.model import Check, Findings, Group
from orchestrator.preflight.run import Looked

Json = dict[str, Any]
_MARK = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red"),
         "unknown": ("?", "bold magenta")}  # fmt: skip


def document(looked: Looked, mode: Mode | None, recorded: Json | None, clock: Clock) -> Json:
    """All of it.

    Args:
        mode: the one that was asked for.
        recorded: the statement that was put on record, or was there already.
    """
    findings, standing = looked.findings, looked.standing
    versions = findings.versions
    return {
        "at": iso(clock()),
        "hive": str(looked.ground.hive.path),
        "sandbox": looked.ground.hive.sandbox,
        "versions": versions.model_dump(mode="json") if versions else None,
        "mode": {
            "configured": standing.configured.value,
            "in_force": standing.mode.value,
            "must_be_earned": not standing.free,
            "notes": list(standing.notes()),
        },
        "for": mode.value if mode else None,
        "ready": {one.value: not findings.missing(one) for one in Mode},
        "missing": {one.value: [c.name for c in findings.missing(one)] for one in Mode},
        "recorded": recorded,
        "checks": [_check(check) for check in findings.checks],
    }


def render(looked: Looked, mode: Mode | None, said: str) -> RenderableType:
    """For a terminal. `said`: what became of the mode that was asked for."""
    findings = looked.findings
    wanted = mode or _next(findings, looked.standing)
    return Stack(
        _head(looked),
        *_groups(findings),
        *_standing(looked.standing, findings),
        *_to_do(findings, wanted),
        *([Text(said, style="bold")] if said else []),
    )


def _head(looked: Looked) -> Text:
    ground = looked.ground
    kind = "sandbox" if ground.hive.sandbox else "REAL"
    when = iso(ground.clock())[:16]
    return Text(f"Preflight of {ground.hive.path} ({kind}), {when}Z\n", style="bold")


def _check(check: Check) -> Json:
    spec = check.spec
    return {
        "name": check.name,
        "group": spec.group.value,
        "proves": spec.proves,
        "needed_for": spec.needed_for.value if spec.needed_for else None,
        "result": check.result,
        "seen": check.seen,
        "do": check.do,
    }


def _groups(findings: Findings) -> Iterator[RenderableType]:
    for group in Group:
        yield Text(group.value, style="bold")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        table.add_column(width=4)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in findings.checks:
            if check.spec.group is not group:
                continue
            word, style = _MARK[check.result]
            told = Text(check.seen)
            if check.result != "ok":
                told = Text.assemble((f"{check.spec.proves}: ", "italic"), check.seen)
            table.add_row(Text(word, style=style), check.name, told)
        yield table
        yield Text()


def _standing(standing: Standing, findings: Findings) -> Iterator[RenderableType]:
    versions = findings.versions
    if versions:
        told = f"policy {versions.policy}, bank schema {versions.bank_schema}, code {versions.code}"
        yield Text(f"Evidence counts for exactly: {told}", style="dim")
    for one in Mode:
        missing = findings.missing(one)
        line = Text(f"{one.value:9}", style="bold")
        if missing:
            line.append(f"{len(missing)} open: {', '.join(c.name for c in missing)}", "bold red")
        else:
            line.append("everything it needs holds", "green")
        yield line
    told = f"In force: {standing.mode} (configured: {standing.configured})"
    if standing.free:
        told += "; a sandbox: its vendors are twins, so that its modes need not be earned"
    yield Text(told)
    for note in standing.notes():
        yield Text(note, style="bold yellow")
    yield Text()


def _to_do(findings: Findings, mode: Mode) -> Iterator[RenderableType]:
    missing = findings.missing(mode)
    if not missing:
        return
    yield Text(f"To do for {mode}, in this order:", style="bold")
    for number, check in enumerate(missing, 1):
        yield Text.assemble(f"{number:3}. ", (check.name, "bold"), f": {check.seen}")
        if check.do:
            yield Text(f"     -> {check.do}")
    yield Text()


def _next(findings: Findings, standing: Standing) -> Mode:
    """The lowest mode that is not open yet, or the configured one."""
    return next((one for one in Mode if findings.missing(one)), standing.configured)
