"""`swarm`: the operators' tool. Owns: arguments, exit codes, and what a person or script sees.

Exit codes: 0 done, 1 finished but something needs attention, 2 usage or configuration,
3 stopped or refused. With `--json`, stdout is one JSON document and nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from guardrails.collector import spare_the_collector
from guardrails.errors import BadInput
from orchestrator import (
    cli_approvals,
    cli_audit,
    cli_bank,
    cli_brakes,
    cli_campaign,
    cli_keys,
    cli_mcp,
    cli_memory,
    cli_migrate,
    cli_run,
    cli_sends,
    cli_spend,
    cli_stop,
    cli_up,
)
from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
    tell,
)
from orchestrator.cli_failures import register as register_failures
from orchestrator.cli_forget import register as register_forget
from orchestrator.cli_gateway import register as register_gateway
from orchestrator.cli_monitor import register as register_monitor
from orchestrator.cli_panels import arrange
from orchestrator.cli_preflight import register as register_preflight
from orchestrator.cli_status import register as register_status
from orchestrator.cli_workers import register as register_workers
from orchestrator.environment import Environment

app = typer.Typer(
    name="swarm",
    help="A revenue-operations swarm that never sends one e-mail that it should not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",  # paragraphs of docstrings are filled
)
cli_audit.register(app)
cli_bank.register(app)
cli_brakes.register(app)
cli_campaign.register(app)
register_failures(app)
register_forget(app)
register_gateway(app)
register_monitor(app)
register_preflight(app)
register_status(app)
register_workers(app)
cli_keys.register(app)
cli_migrate.register(app)
cli_mcp.register(app)
cli_memory.register(app)
cli_spend.register(app)
cli_run.register(app)
cli_approvals.register(app)
cli_up.register(app)
cli_sends.register(app)
cli_stop.register(app)

DEFAULT_LEADS = Path("data/initial_batch.csv")


@app.command()
def shadow(
    sandbox: SandboxOption = False,
    leads: Annotated[Path, typer.Option("--leads", help="CSV file of leads.")] = DEFAULT_LEADS,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first N rows.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, max=256, help="Leads in flight.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew even if a run is unfinished.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Day 1: run a leads file through the whole swarm; nothing is written outside.

    The same command over an unfinished run resumes it; over a finished one it starts a new run
    and keeps the former log under shadow_logs/RUN/.
    """
    from orchestrator.begun import begin_early

    begun = begin_early(hive)  # it imports while we do
    from orchestrator.shadow_command import run_shadow

    guarded(
        as_json,
        lambda: run_shadow(
            sandbox=sandbox,
            leads=leads,
            hive=hive,
            config=config,
            limit=limit,
            concurrency=concurrency,
            fresh=fresh,
            as_json=as_json,
            environment=Environment.read(Path(".env")),
            begun=begun,
        ),
    )


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", help="0 chooses a free one.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same invented people.")] = 7,
    latency_ms: Annotated[
        int, typer.Option("--latency-ms", min=0, help="How long each vendor takes to answer.")
    ] = 0,
    offset_s: Annotated[
        float, typer.Option("--offset-s", help="Seconds that its clock is ahead.")
    ] = 0.0,
) -> None:
    """Start the vendor twins on loopback; prints their addresses as one JSON line."""
    command = ["--port", str(port), "--seed", str(seed), "--latency-ms", str(latency_ms)]
    command += ["--offset-s", repr(offset_s)]
    arguments = [sys.executable, "-P", "-m", "servers.sandbox", *command]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own module, no shell


@app.command()
def explain(
    id: Annotated[str, typer.Argument(help="Audit id, decision id, lead id or e-mail address.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Tell one decision from the audit record alone: who, every check, what would change it."""
    from orchestrator.commands import explain_decision

    guarded(as_json, lambda: explain_decision(id, hive, as_json=as_json))


@app.command()
def replay(
    id: Annotated[str, typer.Argument(help="Audit id, decision id, lead id or e-mail address.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Derive a verdict again from its recorded inputs; exit 1 if it differs."""
    from orchestrator.commands import replay_decision

    guarded(as_json, lambda: replay_decision(id, hive, as_json=as_json))


arrange(app)


def main() -> None:
    """Entry point of `swarm`."""
    _run(sys.argv[1:], None)


def run_command(name: str) -> NoReturn:
    """Entry point of a script that stands for one command."""
    _run([name, *sys.argv[1:]], Path(sys.argv[0]).name)
    raise SystemExit(0)


def _run(words: list[str], called: str | None) -> None:
    os.umask(0o077)  # databases, logs and reports are the operator's alone, here and in servers
    spare_the_collector()
    if "--json" not in words:
        app(words, prog_name=called)
        return
    try:
        app(words, prog_name=called, standalone_mode=False)
    except TyperException as error:  # said as everything else is that a script asked for
        remedy = "`--help` shows what it takes."
        tell(True, BadInput(error.format_message(), remedy=remedy).as_failure())
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
