"""The emergency stop through MCP. Owns: raising it as `swarm stop` does where no key is at hand.

Once pressed it goes to its end, whether the client waits for it, cancels it or is gone. Never
resumes. Starts no process and asks no vendor: what that leaves open (campaigns that go on by
themselves at Instantly, telling the team) is named as not verified, with what to do.
"""

from __future__ import annotations

import time

import anyio

from guardrails.brakes.stop_file import clean_reason
from guardrails.brakes.stop_now import place_in
from guardrails.errors import ConfigError
from orchestrator.emergency import Emergency
from orchestrator.emergency_press import Press
from orchestrator.emergency_report import Line, Told
from orchestrator.emergency_tell import Messenger
from orchestrator.emergency_vendors import CampaignStep
from orchestrator.environment import Environment
from orchestrator.mcp.contract_stop import NotVerified, StopSwarm, SwarmStopped
from orchestrator.mcp.parts import ACTOR, Parts

_WAIT_S = 15.0  # for writes that had begun
_ALSO = (
    "Press `STOP_SWARM=1 swarm stop` on the machine that has the keys as well: it pauses every "
    "campaign at Instantly, reads them back and tells the team. "
)
_RESUME = "Only a person at a terminal lifts it: `swarm resume --reason TEXT`."


class _Pressed(Press):
    """A press that came through MCP, from nobody in particular."""

    @property
    def actor(self) -> str:
        """Who pressed, for the record."""
        return ACTOR


class StopService:
    """Over open parts.

    Args:
        wait_s: how long writes that had begun are waited for.
    """

    def __init__(self, parts: Parts, wait_s: float = _WAIT_S) -> None:
        self._parts = parts
        self._wait_s = wait_s

    async def stop(self, args: StopSwarm) -> SwarmStopped:
        """Stop, and say what was verified.

        Raises:
            ConfigError: the hive is gone: nothing was stopped.
        """
        parts, reason = self._parts, clean_reason(f"through MCP: {args.reason}")
        pressed = place_in(parts.hive.path, reason, {}, time.time())
        if not pressed.hives:
            raise ConfigError("nothing was stopped: the hive is gone", remedy=_ALSO)
        [(hive, placed)] = pressed.hives.items()
        press = _Pressed(
            hive, placed, reason, parts.database_url, parts.clock, parts.offset_s, self._wait_s
        )
        told = Told(str(hive), pressed.at, _silent)
        told.facts["reason"] = reason
        with anyio.CancelScope(shield=True):  # each of its steps has a bound of its own
            told = await Emergency(press, told, self._helpers).run()
        return _told(told)

    async def _helpers(self) -> tuple[Messenger, CampaignStep]:
        """Who holds no key asks nobody, and says so."""
        parts = self._parts
        sandbox, none = parts.hive.sandbox, Environment({})
        return (
            Messenger({}, str(parts.hive.path), sandbox=sandbox),
            CampaignStep(parts.hive.path, sandbox, parts.config_path, none, parts.offset_s),
        )


def _told(told: Told) -> SwarmStopped:
    return SwarmStopped(
        stopped=told.machine_stopped,
        everywhere=bool(told.facts.get("row")),
        verified=told.verified,
        steps=tuple(f"{line.at_s:.2f} s {line.step}: {line.text}" for line in told.lines),
        not_verified=tuple(
            NotVerified(what=one.what, text=one.text, remedy=one.remedy) for one in told.residue
        ),
        next_step=_RESUME if told.verified else _ALSO + _RESUME,
    )


def _silent(_line: Line) -> None:
    """The answer holds every line."""
