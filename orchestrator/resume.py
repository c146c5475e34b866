"""Lifting a stop. Owns: that a person at a terminal did it, knowing what would start again.

Refuses a pipe, a script and an agent: there is no option that answers for the person. What was
left unverified by the last press is shown before the question.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from guardrails.audit import AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_raise import lift
from guardrails.clock import utc_now
from guardrails.errors import BadInput, Refused
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import stop_state
from orchestrator.commands import opened
from orchestrator.emergency_state import standing, standing_text

WORD = "resume"


def resume(
    path: Path,
    reason: str,
    *,
    as_json: bool,
    at_terminal: Callable[[], bool] = lambda: sys.stdin.isatty() and sys.stdout.isatty(),
    ask: Callable[[str], str] = input,
) -> int:
    """Show, ask, lift. 0 when the swarm may run again or was not stopped.

    Raises:
        Refused: nobody is at a terminal, or they did not say the word.
        BadInput: no reason.
    """
    if not reason.strip():
        raise BadInput("a reason is needed", remedy="--reason 'why it is safe to go on'")
    with opened(path) as (hive, store):
        state = StopSwitch(hive, store).state()
        if not state.stopped:
            return _done(as_json, {"stopped": False}, "It is not stopped.")
        if as_json or not at_terminal():
            raise Refused(
                "a stop is lifted by a person at a terminal",
                remedy=f"Open a terminal: swarm resume --hive {path} --reason '...'",
            )
        audit = AuditLog(hive, store, utc_now)
        try:
            _print(_shown(hive, store, audit, state.reason))
            if ask(f"Type {WORD} to let it go on: ").strip() != WORD:
                raise Refused("not confirmed: it is stopped as before", remedy="Nothing to do.")
            actor = f"person:{getpass.getuser()}"
            epoch = asyncio.run(lift(hive, store, audit, utc_now, reason=reason, actor=actor))
        finally:
            audit.close()
    text = (
        f"Not stopped any more (epoch {epoch}): what was permitted before the stop stays void.\n"
        "Nothing starts by itself but what runs already; start the rest with the same command as "
        "before. Campaigns that were paused at Instantly stay paused until you start them there."
    )
    return _done(as_json, {"stopped": False, "epoch": epoch}, text)


def _shown(hive: Hive, store: Store, audit: AuditLog, reason: str | None) -> str:
    with store.read() as conn:
        row = conn.execute(select(stop_state)).one()
        counts = standing(conn)
    by = f" by {row.actor.removeprefix('person:')} at {row.changed_at[:19]}Z" if row.actor else ""
    raised = f"Stopped{by}: {reason}" if row.stopped else f"Stopped by the STOP file: {reason}"
    lines = [f"{hive.path} ({'sandbox' if hive.sandbox else 'REAL'})", raised, ""]
    lines += ["It would go on with: " + standing_text(counts) + "."]
    left = _unverified(audit, row.changed_at[:10]) if row.stopped else []
    if left:
        lines += ["", f"The last press left unverified: {', '.join(left)}. Look there first."]
    return "\n".join([*lines, ""])


def _unverified(audit: AuditLog, since: str) -> list[str]:
    """What the last press could not verify, by its own record; on whichever machine it was."""
    left: list[str] = []
    latest = ""
    for day in sorted({since, utc_now().date().isoformat()}):
        for record in audit.iter_everywhere(day):
            body: dict[str, Any] = record["body"]
            told = record["kind"] == "stop" and body.get("stop") == "result"
            if told and record["at"] > latest:
                latest, left = record["at"], [str(one) for one in body.get("residue", [])]
    return left


def _done(as_json: bool, document: dict[str, Any], text: str) -> int:
    _print(json.dumps(document) if as_json else text)
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
