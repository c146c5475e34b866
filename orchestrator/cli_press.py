"""What `swarm stop` and scripts/emergency_stop.py do. Owns: which hives, their reports, exit codes.

0: all of it was verified. 1: something was not, and is named. 2: nothing was stopped, because
nobody meant it or there is no such hive. Nothing heavy is loaded before the STOP file is there,
and little before the database knows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from orchestrator.emergency_press import Press
    from orchestrator.emergency_report import Line, Told
    from orchestrator.emergency_tell import Messenger
    from orchestrator.emergency_vendors import CampaignStep
    from orchestrator.environment import Environment

WAIT_S = 30.0


@dataclass(frozen=True)
class StopArguments:
    """What the command line says. `hive` None: whatever could send from here."""

    hive: Path | None
    reason: str
    config: Path | None
    twins_port: int | None
    wait_s: float
    means_it: bool


def main(arguments: Sequence[str]) -> int:
    """For the script: its arguments are those of `swarm stop`."""
    parser = argparse.ArgumentParser(
        prog="emergency_stop.py", description="EMERGENCY STOP; needs STOP_SWARM=1 (or --yes)."
    )
    parser.add_argument("--reason", default="", help="why; shown to everybody")
    parser.add_argument("--hive", type=Path, help="only this one; default: whatever could send")
    parser.add_argument("--config", type=Path, help="production.json, or a directory with it")
    parser.add_argument("--twins", type=int, metavar="PORT", help="sandbox: twins that run there")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds for writes under way")
    parser.add_argument("--yes", action="store_true", help="instead of STOP_SWARM=1")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    said = parser.parse_args(arguments)
    asked = StopArguments(
        said.hive, said.reason, said.config, said.twins, max(0.0, said.wait), said.yes
    )
    from guardrails.errors import SwarmError

    try:
        return press_stop(asked, as_json=said.json)
    except SwarmError as error:
        if said.json:
            failure = {"error": error.as_failure().model_dump(mode="json")}
            _print(json.dumps(failure))
        else:
            sys.stderr.write(f"{error.code}: {error.message}\n{error.remedy}\n")
        return 2


def press_stop(asked: StopArguments, *, as_json: bool) -> int:
    """Stop; see the module for what it returns.

    Raises:
        ConfigError: there is no such hive: nothing was stopped.
        BadInput: for a script, when nobody meant it: nothing was stopped.
    """
    if not (asked.means_it or armed(os.environ)):
        return _not_meant(as_json)
    pressed = pressed_before(os.environ) or place_in(asked.hive, asked.reason, os.environ)
    from guardrails.errors import ConfigError
    from orchestrator.environment import Environment

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
        _print(json.dumps(document, ensure_ascii=False))
    return 0 if verified else 1


def _not_meant(as_json: bool) -> int:
    if as_json:
        from guardrails.errors import BadInput

        raise BadInput("nothing was stopped", remedy="Set STOP_SWARM=1, or say --yes.")
    sys.stderr.write(EXPLANATION)
    return 2


async def _stopped(
    asked: StopArguments,
    environment: Environment,
    hive: Path,
    placed: Placed,
    pressed: Pressed,
    *,
    quiet: bool,
) -> Told:
    from guardrails.clock import shifted
    from orchestrator.emergency import Emergency
    from orchestrator.emergency_press import Press
    from orchestrator.emergency_report import Told, last_word, shown

    sandbox, reason = stop_processes.is_sandbox(hive), clean_reason(asked.reason)
    if not quiet:
        _print(f"EMERGENCY STOP of {hive}" + (f": {reason}" if reason else ""))
    told = Told(str(hive), pressed.at, _silent if quiet else lambda line: _print(shown(line)))
    offset_s = _offset(environment) if sandbox else 0.0
    press = Press(
        hive, placed, reason or "no reason given", environment.values.get("SWARM_DATABASE_URL"),
        shifted(offset_s), offset_s, asked.wait_s,
    )  # fmt: skip
    told.facts["reason"] = press.reason

    async def helpers() -> tuple[Messenger, CampaignStep]:
        return await _helpers(asked, environment, press, sandbox=sandbox)

    await Emergency(press, told, helpers).run()
    if not quiet:
        _print(last_word(told))
    return told


async def _helpers(
    asked: StopArguments, environment: Environment, press: Press, *, sandbox: bool
) -> tuple[Messenger, CampaignStep]:
    """Who tells the team and who holds the campaigns. In a sandbox no real key and nobody's real
    Slack: the twins', or none.
    """
    from orchestrator.emergency_tell import Messenger
    from orchestrator.emergency_vendors import CampaignStep
    from orchestrator.environment import Environment
    from orchestrator.twins import twins_environment

    if sandbox:
        values = environment.values.items()
        ours = {name: value for name, value in values if name.startswith("SWARM_")}
        port = asked.twins_port
        environment = Environment(ours | ({} if port is None else await twins_environment(port)))
    return (
        Messenger(environment.for_server("stop"), str(press.hive), sandbox=sandbox),
        CampaignStep(press.hive, sandbox, asked.config, environment, press.offset_s),
    )


def _offset(environment: Environment) -> float:
    """Of the sandbox's clock. One that is no number does not keep a stop from being raised."""
    try:
        return float(environment.values.get("SWARM_SANDBOX_OFFSET_S", "0"))
    except ValueError:
        return 0.0


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
