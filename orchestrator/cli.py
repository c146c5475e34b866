"""`swarm`: the operators' tool. Owns: arguments, exit codes, and what a person or script sees.

Exit codes: 0 done, 1 finished but something needs attention, 2 usage or configuration,
3 stopped or refused. With `--json`, stdout is one JSON document and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from guardrails.errors import (
    BadInput,
    ConfigError,
    DiskTrouble,
    Failure,
    NotFound,
    Refused,
    Stopped,
    StoreUnavailable,
    SwarmError,
)
from orchestrator.environment import Environment, MissingVariables
from orchestrator.report import console

app = typer.Typer(
    name="swarm",
    help="A revenue-operations swarm that never sends one e-mail that it should not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
audit_app = typer.Typer(help="The audit record.", no_args_is_help=True)
bank_app = typer.Typer(help="The reasoning bank.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
app.add_typer(bank_app, name="bank")

HiveOption = Annotated[
    Path, typer.Option("--hive", envvar="HIVE_MIND_DIR", help="Directory of the swarm's state.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="production.json, or a directory that holds it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
SandboxOption = Annotated[
    bool, typer.Option("--sandbox", help="Against the built-in vendor twins: no keys needed.")
]
DEFAULT_HIVE = Path(".hive-mind")
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
    and keeps the former log under shadow_logs/<run>/.
    """
    from orchestrator.commands import run_shadow

    _guarded(
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
        ),
    )


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", help="0 chooses a free one.")] = 0,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    latency_ms: Annotated[int, typer.Option("--latency-ms", min=0)] = 0,
) -> None:
    """Start the vendor twins on loopback; prints their addresses as one JSON line."""
    command = ["--port", str(port), "--seed", str(seed), "--latency-ms", str(latency_ms)]
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

    _guarded(as_json, lambda: explain_decision(id, hive, as_json=as_json))


@app.command()
def replay(
    id: Annotated[str, typer.Argument(help="Audit id, decision id, lead id or e-mail address.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Derive a verdict again from its recorded inputs; exit 1 if it differs."""
    from orchestrator.commands import replay_decision

    _guarded(as_json, lambda: replay_decision(id, hive, as_json=as_json))


@audit_app.command("verify")
def audit_verify(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """Check the whole chain; exit 1 and name the first bad record if it does not hold."""
    from orchestrator.commands import verify_audit

    _guarded(as_json, lambda: verify_audit(hive, as_json=as_json))


@bank_app.command("show")
def bank_show(
    hive: HiveOption = DEFAULT_HIVE, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """What the swarm has learned: every item with its numbers and its effect today."""
    from orchestrator.commands import show_bank

    _guarded(as_json, lambda: show_bank(hive, config, as_json=as_json))


def main() -> None:
    """Entry point of `swarm`."""
    os.umask(0o077)  # databases, logs and reports are the operator's alone, here and in servers
    app()


def run_command(name: str) -> NoReturn:
    """Entry point of a script that stands for one command."""
    os.umask(0o077)  # databases, logs and reports are the operator's alone, here and in servers
    app([name, *sys.argv[1:]], prog_name=Path(sys.argv[0]).name)
    raise SystemExit(0)


def _guarded(as_json: bool, work: Callable[[], int]) -> None:
    """Run a command; an error of ours becomes a clear message and its exit code."""
    try:
        code = work()
    except KeyboardInterrupt:
        _tell(as_json, _interrupted())
        raise SystemExit(1) from None
    except Exception as error:
        cause = _ours(error)
        if isinstance(cause, MissingVariables) and not as_json:
            _show_missing(cause)
        else:
            _tell(as_json, cause.as_failure())
        raise SystemExit(_exit_code(cause)) from error
    raise SystemExit(code)


def _ours(error: BaseException) -> SwarmError:
    """`error` as one of ours: the first of ours in a group, or what kind of defect it is."""
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, SwarmError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_ours(inner) for inner in error.exceptions]
        return next((one for one in found if one.code != SwarmError.code), found[0])
    if isinstance(error, SQLAlchemyError):
        first = (str(getattr(error, "orig", None) or error).splitlines() or ["no detail"])[0]
        return StoreUnavailable(f"database: {type(error).__name__}: {first}")
    if isinstance(error, OSError):
        remedy = "Free disk space and check the permissions; the same command goes on."
        return DiskTrouble(f"a file cannot be used: {error.strerror or error}", remedy=remedy)
    return SwarmError(f"unexpected {type(error).__name__}; see logs/queen.log in the hive")


def _exit_code(error: SwarmError) -> int:
    if isinstance(error, ConfigError | BadInput | NotFound):
        return 2
    return 3 if isinstance(error, Stopped | Refused) else 1


def _tell(as_json: bool, failure: Failure) -> None:
    if as_json:
        document: dict[str, Any] = {"error": failure.model_dump(mode="json")}
        sys.stdout.write(json.dumps(document) + "\n")
        return
    err = console(stderr=True)
    err.print(f"{failure.code}: {failure.message}", style="bold red", markup=False)
    err.print(failure.remedy, markup=False)


def _interrupted() -> Failure:
    return Failure(
        code="interrupted",
        message="Interrupted; what was decided is on record.",
        remedy="The same command goes on where this one stopped.",
        retryable=True,
    )


def _show_missing(error: MissingVariables) -> None:
    from rich.table import Table

    table = Table(title="Critical variables that are not set", box=None, header_style="bold")
    for column in ("Variable", "Purpose", "Where to get it"):
        table.add_column(column, overflow="fold")
    for variable in error.variables:
        table.add_row(variable.name, variable.purpose, variable.where)
    err = console(stderr=True)
    err.print(table)
    err.print(error.remedy)
