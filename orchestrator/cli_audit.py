"""`swarm audit`: the record itself. Owns: its arguments and what it tells."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, ConfigOption, HiveOption, JsonOption, guarded


def register(app: typer.Typer) -> None:
    """Add `audit verify` and `audit compress`."""
    audit = typer.Typer(help="The audit record.", no_args_is_help=True)
    audit.callback()(_audit)
    audit.command("verify")(_verify)
    audit.command("compress")(_compress)
    app.add_typer(audit, name="audit")


def _audit() -> None:
    """The audit record."""


def _verify(hive: HiveOption = DEFAULT_HIVE, as_json: JsonOption = False) -> None:
    """Check the whole chain; exit 1 and name the first bad record if it does not hold.

    On a database that machines share, every other machine's chain too, as far as it stands there,
    and what they have noted about each other.
    """
    from orchestrator.commands import verify_audit

    guarded(as_json, lambda: verify_audit(hive, as_json=as_json))


def _compress(
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    days: Annotated[
        int | None, typer.Option("--days", min=0, help="Keep so many days as they are.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compress closed days of the audit; the queen does so by herself, a few days later.

    Nothing reads differently afterwards. The newest day stays as it is.
    """
    guarded(as_json, lambda: compress(hive, config, days, as_json=as_json))


def compress(hive: Path, config: Path | None, days: int | None, *, as_json: bool) -> int:
    """Compress what is due."""
    from dataclasses import asdict

    from guardrails.audit.compress import compress_days
    from guardrails.clock import utc_now
    from guardrails.config import load_config
    from guardrails.hive import Hive

    found = Hive.existing(hive)
    keep = load_config(config).production.retention.audit_plain_days if days is None else days
    done = compress_days(found, utc_now, keep_days=keep)
    if as_json:
        sys.stdout.write(json.dumps({"compressed": [asdict(one) for one in done]}) + "\n")
        return 0
    from orchestrator.report import console

    out = console()
    for one in done:
        out.print(f"{one.day}: {one.before:,} bytes, now {one.after:,}")
    if not done:
        out.print(f"Nothing to compress: no closed day is older than {keep} days.")
    return 0
