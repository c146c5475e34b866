"""What `swarm run` does. Owns: opening the swarm in the configured mode, its report, exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from guardrails.audit import AuditLog
from guardrails.config import load_config
from guardrails.errors import BadInput, ConfigError, Stopped
from guardrails.model import Mode
from orchestrator.begun import Begun
from orchestrator.bootstrap import running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.report import Json, console, document
from orchestrator.report_run import deliveries_document, render_run
from orchestrator.run import SendingRun
from orchestrator.shadow_command import shown_progress, warn_of_chaos
from orchestrator.standstill import require_not_stopped


@dataclass(frozen=True)
class RunArguments:
    """What the command line says."""

    sandbox: bool
    leads: Path
    hive: Path
    config: Path | None
    mode: Mode | None
    limit: int | None
    concurrency: int | None
    fresh: bool
    wait: bool
    twins_port: int | None = None
    begun: Begun | None = None  # the nursery's process, where it imports already

    def options(self) -> Options:
        """For the composition root.

        Raises:
            BadInput: no such leads file.
            ConfigError: twins are named and this is not the sandbox.
        """
        if not self.leads.is_file():
            raise BadInput(f"{self.leads}: no such file", remedy="Give --leads FILE (a CSV).")
        if self.twins_port is not None and not self.sandbox:
            raise ConfigError("--twins is of the sandbox", remedy="Give --sandbox as well.")
        return Options(
            hive=self.hive,
            sandbox=self.sandbox,
            config_path=self.config,
            mode=self.mode,
            concurrency=self.concurrency,
            hunter_roots=(self.leads.resolve().parent,),
            twins_port=self.twins_port,
            begun=self.begun,
        )


def run_leads(asked: RunArguments, environment: Environment, *, as_json: bool) -> int:
    """The run. 0 done or waiting, 1 when something needs a person, 3 when it was stopped."""
    options = asked.options()
    require_not_stopped(options.hive, environment.values.get("SWARM_DATABASE_URL"))
    warn_of_chaos(load_config(asked.config).production.failure_injection)
    report = asyncio.run(_run(options, environment, asked, quiet=as_json))
    if as_json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        console().print(render_run(report, str(asked.hive / "audit")))
    return exit_code(report)


def exit_code(report: Json) -> int:
    """What the report means to a script."""
    if report.get("error", {}).get("code") == Stopped.code:
        return 3
    leads, deliveries = report["leads"], report["deliveries"]
    decided = leads["processed"] == leads["total"] and not leads["crashed"]
    states = deliveries["by_state"]
    # What is still queued after everything was tried has broken twice: the log says how.
    broken = states.get("queued") and report["mode"] != Mode.SHADOW
    troubled = (
        states.get("unknown") or states.get("failed") or deliveries["unknown_writes"] or broken
    )
    return 0 if decided and not troubled and "error" not in report else 1


async def _run(
    options: Options, environment: Environment, asked: RunArguments, *, quiet: bool
) -> Json:
    started = time.monotonic()
    with shown_progress(quiet) as bar:
        async with running_swarm(options, environment) as swarm:
            run = SendingRun(swarm, asked.leads, asked.limit, bar.update, wait=asked.wait)
            outcome = await run.execute(fresh=asked.fresh)
            audit = AuditLog(swarm.hive, swarm.store, swarm.clock)
            head = await asyncio.to_thread(audit.head)
            seconds = time.monotonic() - started
            limits = swarm.config.production.sending_limits
            told = await swarm.store.query(lambda conn: document(conn, outcome, head, seconds))
            return told | {
                "mode_notes": list(swarm.standing.notes()),
                "deliveries": await swarm.store.query(
                    lambda conn: deliveries_document(
                        conn, outcome.run.run_id, limits, swarm.clock()
                    )
                ),
            }
