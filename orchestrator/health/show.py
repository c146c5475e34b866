"""A round for people and scripts. Owns: what `swarm monitor` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from guardrails.clock import iso
from orchestrator.health.model import Severity
from orchestrator.health.monitor import Round
from orchestrator.health.telling import said
from orchestrator.report import console

_STYLE = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.NOTICE: "dim"}


def show_once(found: Round, *, as_json: bool) -> int:
    """Print everything; the exit code of `--once`."""
    if as_json:
        sys.stdout.write(json.dumps(_document(found), ensure_ascii=False) + "\n")
    else:
        _print(found)
    return 0 if found.well else 1


def shower(*, as_json: bool) -> Callable[[Round], None]:
    """Prints what is new in a round."""

    def show(found: Round) -> None:
        if not found.news:
            return
        try:
            if as_json:
                sys.stdout.write(json.dumps(_document(found), ensure_ascii=False) + "\n")
            else:
                for news in found.news:
                    sys.stdout.write(f"{iso(news.at)} {said(news)}\n")
            sys.stdout.flush()
        except OSError:
            return  # whoever read us is gone; the watch goes on

    return show


def _print(found: Round) -> None:
    out = console()
    for one in found.incidents:
        out.print(f"{one.severity.value.upper()}: {one.what}", style=_STYLE[one.severity])
        out.print(f"  since {one.since:%Y-%m-%d %H:%M:%S} UTC. {one.do}")
    for part, why in found.seen.why.items():
        out.print(f"could not be looked at: {part} ({why})", style="yellow")
    if found.well:
        beats = found.seen.work.heartbeats if found.seen.work else ()
        known = ", ".join(beat.name for beat in beats if beat.expected)
        out.print(f"All is well. Running: {known or 'nothing, and nothing is expected to'}.")


def _document(found: Round) -> dict[str, Any]:
    return {
        "at": iso(found.seen.now),
        "host": found.seen.host,
        "well": found.well,
        "incidents": [one.model_dump(mode="json") for one in found.incidents],
        "news": [{"kind": news.kind, "key": news.incident.key} for news in found.news],
        "told": found.told.way if found.told else None,
        "untold": found.untold,
        "dead_mans_switch": found.switch,
        "unread": dict(found.seen.why),
    }
