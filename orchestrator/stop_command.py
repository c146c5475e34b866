"""What `swarm stop` does. Owns: which hives, their reports one after the other, the exit code.

0: all of it was verified. 1: something was not, and is named. 2: nothing was stopped, because
nobody meant it or there is no such hive.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from guardrails.brakes import stop_processes
from guardrails.brakes.stop_file import Placed, clean_reason
from guardrails.brakes.stop_now import (
    EXPLANATION,
    Pressed,
    armed,
    env_file,
    place_in,
    pressed_before,
)
from guardrails.clock import shifted
from guardrails.errors import ConfigError
from orchestrator.emergency import Emergency, Press
from orchestrator.emergency_report import Line, Told, last_word, shown
from orchestrator.emergency_tell import Messenger
from orchestrator.emergency_vendors import CampaignStep
from orchestrator.environment import Environment
from orchestrator.twins import sandbox_offset, twins_environment


@dataclass(frozen=True)
class StopArguments:
    """What the command line says. `hive` None: whatever could send from here."""

    hive: Path | None
    reason: str
    config: Path | None
    twins_port: int | None
    wait_s: float
    means_it: bool


def press_stop(asked: StopArguments, *, as_json: bool) -> int:
    """Stop; see the module for what it returns."""
    if not (asked.means_it or armed(os.environ)):
        sys.stderr.write(EXPLANATION)
        return 2
    pressed = pressed_before(os.environ) or place_in(asked.hive, asked.reason, os.environ)
    if not pressed.hives:
        raise ConfigError("nothing was stopped: no hive here", remedy=_where(asked.hive))
    environment = Environment.read(env_file())
    told = [
        asyncio.run(_stopped(asked, environment, hive, placed, pressed, quiet=as_json))
        for hive, placed in pressed.hives.items()
    ]
    verified = all(one.verified for one in told)
    if as_json:
        document = {"verified": verified, "hives": [one.document() for one in told]}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    return 0 if verified else 1


async def _stopped(
    asked: StopArguments,
    environment: Environment,
    hive: Path,
    placed: Placed,
    pressed: Pressed,
    *,
    quiet: bool,
) -> Told:
    sandbox = stop_processes.is_sandbox(hive)
    reason = clean_reason(asked.reason)
    if not quiet:
        _print(f"EMERGENCY STOP of {hive}" + (f": {reason}" if reason else ""))
    told = Told(str(hive), pressed.at, _silent if quiet else lambda line: _print(shown(line)))
    offset_s = sandbox_offset(environment.values, sandbox=sandbox) if sandbox else 0.0
    press = Press(
        hive, placed, reason or "no reason given", environment.values.get("SWARM_DATABASE_URL"),
        shifted(offset_s), offset_s, asked.wait_s,
    )  # fmt: skip
    told.facts["reason"] = press.reason
    if sandbox:
        environment = await _of_the_sandbox(environment, asked.twins_port)
    messenger = Messenger(environment.for_server("stop"), str(hive), sandbox=sandbox)
    campaigns = CampaignStep(hive, sandbox, asked.config, environment, offset_s)
    await Emergency(press, told, messenger, campaigns).run()
    if not quiet:
        _print(last_word(told))
    return told


async def _of_the_sandbox(environment: Environment, port: int | None) -> Environment:
    """No real key and nobody's real Slack in a sandbox: the twins', or none."""
    ours = {name: value for name, value in environment.values.items() if name.startswith("SWARM_")}
    twins = {} if port is None else await twins_environment(port)
    return Environment(ours | twins)


def _where(named: Path | None) -> str:
    running = sorted({str(one.hive) for one in stop_processes.servers()})
    here = f"Servers run here for: {', '.join(running)}. " if running else ""
    asked = f"{named} is not a directory. " if named is not None else ""
    return f"{asked}{here}Give --hive DIR."


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _silent(_line: Line) -> None:
    """With --json only the document is printed."""
