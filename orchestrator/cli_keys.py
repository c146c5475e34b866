"""`swarm keys`: the keys that permits are signed with. Owns: its arguments and what it tells."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, HiveOption, JsonOption, guarded


def register(app: typer.Typer) -> None:
    """Add `keys rotate`."""
    keys = typer.Typer(help="The keys that permits are signed with.", no_args_is_help=True)
    keys.callback()(_keys)
    keys.command("rotate")(_rotate)
    app.add_typer(keys, name="keys")


def _keys() -> None:
    """The keys that permits are signed with."""


def _rotate(
    reason: Annotated[str, typer.Option("--reason", help="Why; kept on the record.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Sign with a new key from now on. Every permit made before is void at once.

    Nothing needs a restart. A write whose permit was void is claimed and permitted anew.
    """
    guarded(as_json, lambda: rotate_keys(reason, hive, as_json=as_json))


def rotate_keys(reason: str, hive: Path, *, as_json: bool) -> int:
    """Record, then rotate."""
    import getpass
    from dataclasses import asdict

    from guardrails.audit import AuditLog
    from guardrails.clock import utc_now
    from guardrails.keys import rotate
    from orchestrator.commands import opened

    with opened(hive) as (found, store):
        audit = AuditLog(found, store, utc_now)
        try:
            done = asyncio.run(rotate(found, store, audit, f"person:{getpass.getuser()}", reason))
        finally:
            audit.close()
    if as_json:
        sys.stdout.write(json.dumps(asdict(done)) + "\n")
    else:
        from orchestrator.report import console

        was = f" (before: {done.old})" if done.old else ""
        told = f"permits are signed with key {done.new}{was}; audit {done.audit_id}"
        console().print(told)
    return 0
