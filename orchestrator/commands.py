"""What the commands do. Owns: opening the right parts and showing their answer.

Imported only when a command runs, so that `swarm --help` is quick. Every function returns the
exit code.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from guardrails.audit import AuditLog
from guardrails.audit.verify_fleet import FleetReport, verify_fleet
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.config.models import FailureInjection
from guardrails.errors import BadInput, NotFound, Stopped
from guardrails.explain import explain
from guardrails.hive import Hive
from guardrails.identity import dedupe_key, lead_id, normalise_email
from guardrails.model import Mode
from guardrails.replay import find_decision, replay
from guardrails.store import Store, open_store
from orchestrator.bootstrap import running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.report import console, document, render
from orchestrator.shadow import ShadowRun
from orchestrator.standstill import require_not_stopped


def run_shadow(
    *,
    sandbox: bool,
    leads: Path,
    hive: Path,
    config: Path | None,
    limit: int | None,
    concurrency: int | None,
    fresh: bool,
    as_json: bool,
    environment: Environment,
) -> int:
    """The shadow run. 0 when every lead ended, 1 when some could not, 3 when it was stopped."""
    if not leads.is_file():
        raise BadInput(f"{leads}: no such file", remedy="Give --leads FILE (a CSV).")
    options = Options(
        hive=hive,
        sandbox=sandbox,
        config_path=config,
        mode=Mode.SHADOW,
        concurrency=concurrency,
        hunter_roots=(leads.resolve().parent,),
    )
    require_not_stopped(hive, environment.values.get("SWARM_DATABASE_URL"))
    warn_of_chaos(load_config(config).production.failure_injection)
    report = asyncio.run(_shadow(options, environment, leads, limit, fresh=fresh, quiet=as_json))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        console().print(
            render(report, str(hive / "shadow_logs" / "emails.json"), str(hive / "audit"))
        )
    if report.get("error", {}).get("code") == Stopped.code:
        return 3
    leads_done = report["leads"]["processed"] == report["leads"]["total"]
    return 0 if leads_done and not report["leads"]["crashed"] else 1


async def _shadow(
    options: Options,
    environment: Environment,
    leads: Path,
    limit: int | None,
    *,
    fresh: bool,
    quiet: bool,
) -> dict[str, Any]:
    started = time.monotonic()
    with shown_progress(quiet) as bar:
        async with running_swarm(options, environment) as swarm:
            audit = AuditLog(swarm.hive, swarm.store, utc_now)
            outcome = await ShadowRun(swarm, leads, limit, bar.update).execute(fresh=fresh)
            head = await asyncio.to_thread(audit.head)
            seconds = time.monotonic() - started
            told = await swarm.store.query(lambda conn: document(conn, outcome, head, seconds))
            return told | {"mode_notes": list(swarm.standing.notes())}


def warn_of_chaos(injection: FailureInjection) -> None:
    """Say so on stderr when failures are injected."""
    if injection.enabled:
        told = f"Failure injection is ON: rate {injection.rate:g}, seed {injection.seed}."
        console(stderr=True).print(f"{told} config/production.json turns it off.", style="yellow")


class Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting six servers", total=None)

    def update(self, done: int, total: int, label: str) -> None:
        """So many of so many; a total of 0 is unknown."""
        self._progress.update(self._task, completed=done, total=total, description=label)


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Bar]:
    """A bar for as long as the block runs."""
    err = console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    progress = Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal)
    with progress:
        yield Bar(progress)


def explain_decision(id: str, hive: Path, *, as_json: bool) -> int:
    """Tell one decision."""
    with opened(hive) as (found, store), _asked_by(id):
        audit = AuditLog(found, store, utc_now)
        record, newest = find_decision(audit, _resolve(found, id))
    text = explain(record, newest)
    told = {name: record[name] for name in ("audit_id", "at", "kind", "lead_id", "run_id")}
    body = record["body"]
    told |= {"state": body.get("state"), "verdict": body.get("verdict"), "text": text}
    _show(told | {"record": record}, text, as_json=as_json)
    return 0


def replay_decision(id: str, hive: Path, *, as_json: bool) -> int:
    """Derive one verdict again. 1 when it differs."""
    with opened(hive) as (found, store), _asked_by(id):
        result = replay(AuditLog(found, store, utc_now), store, _resolve(found, id))
    same = "the same" if result.same else "DIFFERENT"
    text = f"{result.audit_id}: recorded {result.recorded}, replayed {result.replayed}: {same}"
    told = asdict(result) | {"same": result.same}
    _show(told, "\n".join((text, *(f"  {line}" for line in result.differences))), as_json=as_json)
    return 0 if result.same else 1


def verify_audit(hive: Path, *, as_json: bool) -> int:
    """Check the chain. 1 when it does not hold."""
    with opened(hive) as (found, store):
        report = AuditLog(found, store, utc_now).verify()
        fleet = verify_fleet(found, store) if store.dialect != "sqlite" else None
    ok = report.ok and (fleet is None or fleet.ok)
    lines = [
        f"audit holds: {report.records} records, head {report.head}"
        if report.ok
        else f"AUDIT BROKEN after {report.records} good records: {report.problem}"
    ]
    lines += _told_of_the_others(fleet, found.chain_id()) if fleet else []
    _show(
        asdict(report) | {"ok": ok, "fleet": asdict(fleet) if fleet else None},
        "\n".join(lines),
        as_json=as_json,
    )
    return 0 if ok else 1


def _told_of_the_others(fleet: FleetReport, own: str) -> Iterator[str]:
    for one in fleet.chains:
        if one.chain != own:
            holds = "holds" if one.problem is None else "DOES NOT HOLD"
            yield f"chain {one.chain} {holds}: {one.records} good records"
    if fleet.problem:
        yield f"AUDIT BROKEN: {fleet.problem}"
    elif fleet.notes:
        yield f"what they noted about each other holds: {fleet.notes} heads"


@contextmanager
def opened(path: Path) -> Iterator[tuple[Hive, Store]]:
    """The hive as it is, of whichever kind; never created by looking."""
    hive = Hive.existing(path)
    store = open_store(hive, Environment.read(Path(".env")).values.get("SWARM_DATABASE_URL"))
    try:
        yield hive, store
    finally:
        store.close()


def _resolve(hive: Hive, id: str) -> str:
    """An e-mail address becomes its lead id; any other id is taken as it is."""
    if "@" not in id:
        return id
    try:
        return lead_id(hive.salt(), dedupe_key(normalise_email(id)))
    except BadInput as error:
        raise NotFound(f"{id}: neither an id nor an e-mail address") from error


@contextmanager
def _asked_by(id: str) -> Iterator[None]:
    """Whoever gave an address is not answered with the id that was made of it."""
    try:
        yield
    except NotFound as error:
        if "@" not in id:
            raise
        raise NotFound(
            "nothing is on record about that e-mail address",
            remedy="Check its spelling, and the hive directory (--hive).",
        ) from error


def _show(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        console().print(text, markup=False, soft_wrap=True)
