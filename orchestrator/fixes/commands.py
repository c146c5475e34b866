"""What the commands about failures and fixes do. Owns: opening the parts, exit codes.

Every function returns the exit code.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.prompt import Confirm

from guardrails.audit import AuditEntry, AuditLog
from guardrails.brakes.failures import FailureTracker, clusters
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import iso, utc_now
from guardrails.errors import BadInput, NotFound, Refused
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from orchestrator.environment import Environment
from orchestrator.fixes.apply import Changer, operator
from orchestrator.fixes.measure import measure
from orchestrator.fixes.model import FixFiles, Proposal
from orchestrator.fixes.propose import propose
from orchestrator.fixes.show import cluster_text, diff, fix_table, fix_text, quarantine_table
from orchestrator.report import console

_SINCE = re.compile(r"(\d{1,5})([mhd])\Z")
_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def show_failures(hive: Path, since: str, run: str | None, *, as_json: bool) -> int:
    """The clusters. 0, whether there are any or not."""
    earliest = iso(utc_now() - timedelta(hours=_hours(since)))
    with _opened(hive) as (opened, store):
        asyncio.run(FailureTracker(store, opened, utc_now, "queen").absorb_pending())
        with store.read() as conn:
            found = clusters(conn, since=earliest, run_id=run)
    _show(
        {"since": earliest, "run_id": run, "clusters": [asdict(one) for one in found]},
        lambda: cluster_text(found, since),
        as_json=as_json,
    )
    return 0


def list_fixes(hive: Path, config: Path | None, since: str, *, as_json: bool) -> int:
    """Diagnose and list. 1 when a proposal waits for a person."""
    with _opened(hive) as (opened, store):
        asyncio.run(propose(store, opened, config, utc_now, hours=_hours(since)))
        fixes = FixFiles(opened).all()
    _show(
        {"fixes": [one.model_dump(mode="json") for one in fixes]},
        lambda: fix_table(fixes),
        as_json=as_json,
    )
    return 1 if any(one.status == "proposed" for one in fixes) else 0


def show_fix(id: str, hive: Path, config: Path | None, *, as_json: bool) -> int:
    """One proposal."""
    fix = FixFiles(Hive.existing(hive)).get(id)
    _show(_told(fix), lambda: fix_text(fix), as_json=as_json)
    return 0


def measure_fix(id: str, hive: Path, config: Path | None, *, as_json: bool) -> int:
    """Measure one proposal. 1 when the patch did not lower the failures, or nothing could be."""

    def say(text: str) -> None:
        console(stderr=True).print(text, style="dim")

    with _opened(hive) as (opened, store):
        fix = asyncio.run(measure(id, opened, store, config, utc_now, say))
    _show(_told(fix), lambda: fix_text(fix), as_json=as_json)
    found = fix.measured
    return 0 if found and found.after.failures < found.before.failures else 1


def apply_fix(id: str, hive: Path, config: Path | None, *, yes: bool, as_json: bool) -> int:
    """Apply one proposal, after asking."""
    with _opened(hive) as (opened, store):
        fix = FixFiles(opened).get(id)
        if fix.status != "applied" and fix.applicable:
            _confirm(fix, "Apply", yes=yes, as_json=as_json)
        done = asyncio.run(Changer(opened, store, config, utc_now, operator()).apply(id))
    _show(_told(done), lambda: f"{id} is applied ({done.audit_id}). {_restart(done)}",
          as_json=as_json)  # fmt: skip
    return 0


def revert_fix(id: str, hive: Path, config: Path | None, *, yes: bool, as_json: bool) -> int:
    """Take one proposal back, after asking."""
    with _opened(hive) as (opened, store):
        fix = FixFiles(opened).get(id)
        if fix.status == "applied":
            _confirm(fix, "Revert", yes=yes, as_json=as_json)
        done = asyncio.run(Changer(opened, store, config, utc_now, operator()).revert(id))
    _show(_told(done), lambda: f"{id} is taken back. {_restart(done)}", as_json=as_json)
    return 0


def list_quarantine(hive: Path, *, as_json: bool) -> int:
    """Quarantined leads. 1 when there are any."""
    with _opened(hive) as (_, store):
        found = asyncio.run(Quarantine(store, utc_now).all())
    leads = [asdict(one) for one in found]
    _show({"leads": leads}, lambda: quarantine_table(found), as_json=as_json)
    return 1 if found else 0


def release_lead(lead: str, hive: Path, *, as_json: bool) -> int:
    """Release one lead; the record comes first."""
    with _opened(hive) as (opened, store):
        asyncio.run(_release(opened, store, lead))
    _show(
        {"lead_id": lead, "released": True},
        lambda: f"{lead} is released: the next run works on it again.",
        as_json=as_json,
    )
    return 0


async def _release(hive: Hive, store: Store, lead: str) -> None:
    quarantine = Quarantine(store, utc_now)
    if not await quarantine.is_quarantined(lead):
        raise NotFound(f"{lead} is not quarantined", remedy="See `swarm quarantine list`.")
    audit = AuditLog(hive, store, utc_now)
    try:
        body = {"act": "quarantine_release"}
        await audit.record([AuditEntry("config_change", operator(), body, lead_id=lead)])
    finally:
        audit.close()
    await quarantine.release(lead)


def _confirm(fix: Proposal, verb: str, *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise Refused("nobody confirmed this", remedy="Give --yes, or run it on a terminal.")
    terminal = console(stderr=True)
    change = "\n".join(diff(fix)) or f"quarantine {fix.quarantine}"
    terminal.print(f"{fix.title}\n{change}")
    if not Confirm.ask(f"{verb} {fix.id}?", console=terminal, default=False):
        raise Refused("not confirmed: nothing was changed", remedy="Nothing is to be done.")


def _restart(fix: Proposal) -> str:
    return "The next start of the swarm reads it." if fix.patch else "It counts from now on."


def _told(fix: Proposal) -> dict[str, Any]:
    return fix.model_dump(mode="json") | {"diff": diff(fix)}


def _hours(since: str) -> float:
    found = _SINCE.match(since.strip().lower())
    if found is None or int(found[1]) == 0:
        raise BadInput(f"--since {since!r:.40}: a number and m, h or d, such as 24h")
    return int(found[1]) * _HOURS[found[2]]


def _show(document: dict[str, Any], text: Callable[[], RenderableType], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return
    told = text()
    if isinstance(told, str):
        console().print(told)
    else:
        console().print(told)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Hive, Store]]:
    """The hive as it is, of whichever kind; never created by looking."""
    hive = Hive.existing(path)
    store = open_store(hive, Environment.read(Path(".env")).values.get("SWARM_DATABASE_URL"))
    try:
        yield hive, store
    finally:
        store.close()
