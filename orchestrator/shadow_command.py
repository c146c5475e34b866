"""What `swarm shadow` does. Owns: opening the swarm in shadow mode, what is shown meanwhile, the
report, exit codes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from guardrails.audit import AuditLog
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.config.models import FailureInjection
from guardrails.errors import BadInput, Stopped
from guardrails.model import Mode
from orchestrator.begun import Begun
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
    begun: Begun | None = None,
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
        begun=begun,
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
