"""What `swarm preflight` does. Owns: when a mode is put on record as earned or overridden.

Recorded is only what was looked at a moment ago, by this very command. An override is a person's,
at a terminal, in their own name. Refuses to record anything in a sandbox that need not earn.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails.errors import BadInput, Refused
from guardrails.model import Mode
from guardrails.readiness_model import Held, StatementKind
from guardrails.readiness_record import Registrar
from orchestrator.environment import Environment
from orchestrator.preflight.model import Check
from orchestrator.preflight.run import Asked, Looked, looked
from orchestrator.preflight.show import document, render
from orchestrator.report import console

_WORD = "override"


@dataclass(frozen=True)
class Wanted:
    """What is to be put on record.

    Args:
        mode: None: nothing, only look.
        override: although something is missing.
        reason, name: of the override.
    """

    mode: Mode | None = None
    override: bool = False
    reason: str = ""
    name: str = ""

    def require_sense(self) -> None:
        """Raises BadInput."""
        if self.override and self.mode is None:
            raise BadInput("--override of what?", remedy="Give --for assisted or --for live.")
        if self.override and not (self.reason.strip() and self.name.strip()):
            raise BadInput(
                "an override needs a reason and a name",
                remedy="--override --reason 'why it is worth the risk' --as 'your name'",
            )
        if not self.override and (self.reason or self.name):
            raise BadInput("--reason and --as belong to --override")


@dataclass(frozen=True)
class Person:
    """Whoever is at the terminal."""

    at_terminal: Callable[[], bool] = lambda: sys.stdin.isatty() and sys.stdout.isatty()
    ask: Callable[[str], str] = input


def preflight(
    asked: Asked,
    wanted: Wanted,
    environment: Environment,
    *,
    as_json: bool,
    person: Person | None = None,
) -> int:
    """0 when everything holds that is needed, for the mode asked for or else the configured one.

    Raises:
        BadInput: what was asked for makes no sense, or the name is not on the list of approvers.
        Refused: an override without a person at a terminal.
    """
    wanted.require_sense()
    who = person or Person()
    if wanted.override and (as_json or not who.at_terminal()):
        raise Refused(
            "an override is a person's, at a terminal",
            remedy="Open a terminal and give the same command there, without --json.",
        )
    return asyncio.run(_run(asked, wanted, environment, who, as_json=as_json))


async def _run(
    asked: Asked, wanted: Wanted, environment: Environment, person: Person, *, as_json: bool
) -> int:
    async with looked(asked, environment) as found:
        if wanted.override:
            console().print(render(found, wanted.mode, ""))
        said, held = await record(found, wanted, person)
        if as_json:
            told = document(found, wanted.mode, _told(held), found.ground.clock)
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        elif wanted.override:
            console().print(said)
        else:
            console().print(render(found, wanted.mode, said))
        if wanted.override:
            return 0 if held or found.standing.free else 1
        return 1 if found.findings.missing(wanted.mode or found.standing.configured) else 0


async def record(found: Looked, wanted: Wanted, person: Person) -> tuple[str, Held | None]:
    """What to tell, and the statement that carries the mode."""
    mode = wanted.mode
    if mode is None:
        return "", None
    if mode is Mode.SHADOW:
        return "Shadow needs no record: it writes nothing outside.", None
    if found.standing.free:
        return "In the sandbox modes need not be earned: nothing was recorded.", None
    if wanted.override:
        return await _override(found, mode, wanted, person)
    if missing := found.findings.missing(mode):
        return f"{mode} is NOT earned: {_count(missing)} open. Nothing was recorded.", None
    by = f"person:{_user()}"
    held, fresh = await _registrar(found).state("earned", mode, found.findings.answers(mode), by)
    return _said(held, mode, found, fresh=fresh), held


async def _override(
    found: Looked, mode: Mode, wanted: Wanted, person: Person
) -> tuple[str, Held | None]:
    approver = found.people.by_name(wanted.name)
    if approver is None:
        names = ", ".join(one.name for one in found.people.all()) or "nobody"
        raise BadInput(
            f"{wanted.name!r} is not on the list of approvers",
            remedy=f"Give --as one of: {names} (config/approvers.json).",
        )
    missing = found.findings.missing(mode)
    count = f"{_count(missing)} open" if missing else "nothing is open"
    question = (
        f"{count}. {approver.name} overrides this for {mode}, for good on the record and shown "
        f"in every report. Type {_WORD} to do so: "
    )
    answer = await asyncio.to_thread(person.ask, question)
    if answer.strip() != _WORD:
        raise Refused("not confirmed: nothing was recorded", remedy="Nothing to do.")
    kind: StatementKind = "override" if missing else "earned"
    reason = wanted.reason if missing else ""
    held, fresh = await _registrar(found).state(
        kind, mode, found.findings.answers(mode), f"person:{approver.name}", reason
    )
    return _said(held, mode, found, fresh=fresh), held


def _registrar(found: Looked) -> Registrar:
    ground = found.ground
    return Registrar(ground.hive, ground.audit, ground.config, ground.clock)


def _said(held: Held, mode: Mode, found: Looked, *, fresh: bool) -> str:
    how = "on record" if fresh else "on record already"
    told = f"{held.statement.told()}: {how} (audit {held.audit_id})."
    configured = found.ground.config.production.mode
    if configured.rank < mode.rank:
        told += f' Now set "mode": "{mode}" in config/production.json and start again.'
    else:
        told += " It counts from the next start on."
    return told


def _count(missing: Sequence[Check]) -> str:
    return "1 check is" if len(missing) == 1 else f"{len(missing)} checks are"


def _told(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    said = held.statement
    return {"kind": said.kind, "mode": said.mode.value, "by": said.by, "audit_id": held.audit_id}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return str(os.getuid())
