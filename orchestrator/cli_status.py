"""`swarm status`: how the swarm stands, at a glance. Owns: its arguments, watching, exit codes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli_common import DEFAULT_HIVE, ConfigOption, HiveOption, JsonOption, guarded

if TYPE_CHECKING:
    from orchestrator.status import Status

_EVERY_S = 2.0


def register(app: typer.Typer) -> None:
    """Add `status`."""
    app.command("status")(status)


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mode, leads, sends against caps, money, brakes, what waits, who lives.

    Works while things are down and says what it cannot read. Exit 1 when something needs you.
    With --watch and --json, one document a line.
    """
    guarded(as_json, lambda: _show(hive, config, watch=watch, as_json=as_json))


def _show(hive: Path, config: Path | None, *, watch: bool, as_json: bool) -> int:
    reader = _opened(hive, config)
    try:
        if watch:
            return _watch(reader, as_json=as_json)
        told = reader.read()
        if as_json:
            _line(told)
        else:
            from orchestrator.report import console
            from orchestrator.status_show import render

            console().print(render(told))
        return 1 if needs_somebody(told) else 0
    finally:
        reader.close()


def _opened(hive: Path, config: Path | None) -> Status:
    from guardrails.clock import shifted
    from guardrails.hive import Hive
    from orchestrator.environment import Environment
    from orchestrator.status import Status
    from orchestrator.twins import sandbox_offset

    opened = Hive.existing(hive)
    values = Environment.read(Path(".env")).values
    clock = shifted(sandbox_offset(values, sandbox=opened.sandbox) if opened.sandbox else 0.0)
    return Status(opened, config, values.get("SWARM_DATABASE_URL"), clock=clock)


def _watch(reader: Status, *, as_json: bool) -> int:
    if as_json:
        while True:
            _line(reader.read())
            time.sleep(_EVERY_S)
    from rich.live import Live

    from orchestrator.report import console
    from orchestrator.status_show import render

    with Live(render(reader.read()), console=console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY_S)
            live.update(render(reader.read()), refresh=True)


def needs_somebody(told: dict[str, Any]) -> bool:
    """Whether a person should look: what is wrong, unknown, or could not be read."""
    dead = any(one["state"] not in ("running", "ended") for one in told.get("processes", ()))
    waits = any(
        (
            told["unread"],
            told["incidents"],
            told["stop"]["stopped"] is not False,
            told["mode"].get("lowered"),
            told.get("unknown_sends", {}).get("count"),
            told.get("approvals", {}).get("overdue"),
            told.get("inbox", {}).get("failed"),
        )
    )
    return dead or waits


def _line(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    sys.stdout.flush()
