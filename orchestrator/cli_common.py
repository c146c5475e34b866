"""What every command shares. Owns: common options, exit codes, how an error is told.

Exit codes: 0 done, 1 finished but something needs attention, 2 usage or configuration,
3 stopped or refused. With `--json`, stdout is one JSON document and nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

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
from orchestrator.environment import MissingVariables

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


def guarded(as_json: bool, work: Callable[[], int]) -> None:
    """Run a command; an error of ours becomes a clear message and its exit code."""
    try:
        code = work()
    except KeyboardInterrupt:
        tell(as_json, _interrupted())
        raise SystemExit(1) from None
    except Exception as error:
        cause = _ours(error)
        if isinstance(cause, MissingVariables) and not as_json:
            _show_missing(cause)
        else:
            tell(as_json, cause.as_failure())
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


def tell(as_json: bool, failure: Failure) -> None:
    """A failure: a document on stdout for a script, else on stderr for a person."""
    if as_json:
        document: dict[str, Any] = {"error": failure.model_dump(mode="json")}
        sys.stdout.write(json.dumps(document) + "\n")
        return
    from orchestrator.report import console

    err = console(stderr=True)
    err.print(f"{failure.code}: {failure.message}", style="bold red")
    err.print(failure.remedy)


def _interrupted() -> Failure:
    return Failure(
        code="interrupted",
        message="Interrupted; what was decided is on record.",
        remedy="The same command goes on where this one stopped.",
        retryable=True,
    )


def _show_missing(error: MissingVariables) -> None:
    from rich.table import Table

    from orchestrator.report import console

    table = Table(title="Critical variables that are not set", box=None, header_style="bold")
    for column in ("Variable", "Purpose", "Where to get it"):
        table.add_column(column, overflow="fold")
    for variable in error.variables:
        table.add_row(variable.name, variable.purpose, variable.where)
    err = console(stderr=True)
    err.print(table)
    err.print(error.remedy)
