"""The campaign step of an emergency stop. Owns: whether it can be asked, and what its answer means.

Refuses to pass over it in a real hive: a campaign goes on by itself at Instantly when every machine
of the swarm is off, so what could not be asked is never called paused.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from guardrails.config import config_dir, load_config
from guardrails.errors import SwarmError
from guardrails.model import Mode
from orchestrator.emergency_campaigns import Held, hold_campaigns
from orchestrator.emergency_report import Told
from orchestrator.environment import Environment

_BY_HAND = (
    "Pause them at https://app.instantly.ai (Campaigns), then press again; with --config, if the "
    "swarm runs with another configuration than this one."
)
_STEP = "campaigns"


@dataclass(frozen=True)
class CampaignStep:
    """What it needs.

    Args:
        environment: with the twins' variables in the sandbox.
        offset_s: of the sandbox's clock.
    """

    hive: Path
    sandbox: bool
    config: Path | None
    environment: Environment
    offset_s: float

    async def run(self, epoch: int, told: Told) -> None:
        """Hold every campaign and read back that none runs."""
        if not self.environment.values.get("INSTANTLY_API_KEY"):
            self._no_key(told)
            return
        try:
            mode = (await asyncio.to_thread(load_config, self.config)).production.mode
        except SwarmError as error:
            told.unverified(_STEP, f"the configuration cannot be read ({error.message})", _BY_HAND)
            return
        told.line(_STEP, "asking Instantly what runs", ok=None)
        self._say(await self._hold(epoch, mode), told)

    def not_asked(self, told: Told) -> None:
        """The database knows of no stop, so that nothing may be written, not even a pause."""
        if self.sandbox and not self.environment.values.get("INSTANTLY_API_KEY"):
            self._no_key(told)
        else:
            text = "not asked: without the database no pause can be permitted; they may run on"
            told.unverified(_STEP, text, _BY_HAND)

    def _no_key(self, told: Told) -> None:
        if self.sandbox:
            told.skipped(_STEP, "a sandbox, and no --twins to ask")
        else:
            told.unverified(_STEP, "not asked: INSTANTLY_API_KEY is not set", _BY_HAND)

    async def _hold(self, epoch: int, mode: Mode) -> Held:
        common = {
            "HIVE_MIND_DIR": str(self.hive),
            "SWARM_CONFIG": str(self.config or config_dir()),
            "SWARM_SANDBOX": "1" if self.sandbox else "0",
        }
        if self.offset_s:
            common["SWARM_SANDBOX_OFFSET_S"] = repr(self.offset_s)
        own = {name: self.environment.for_server(name) for name in ("instantly", "guardrails")}
        return await hold_campaigns(common, own, mode, epoch, self.hive / "logs")

    def _say(self, held: Held, told: Told) -> None:
        told.facts["campaigns"] = {
            "found_running": sorted(held.running.values()),
            "paused": sorted(held.paused) if not held.problem else [],
            "not_verified": {held.running.get(one, one): why for one, why in held.left.items()},
            "problem": held.problem or None,
        }
        if held.problem:
            named = ", ".join(sorted(held.running.values()))
            known = f"; known to run: {named}" if named else ""
            told.unverified(_STEP, f"could not be verified ({held.problem}){known}", _BY_HAND)
        elif held.left:
            told.unverified(_STEP, f"{len(held.left)} still run. {by_reason(held)}", _BY_HAND)
        elif held.running:
            named = ", ".join(sorted(held.running.values()))
            told.line(_STEP, f"{len(held.running)} paused and read back ({named}); none runs")
        else:
            told.line(_STEP, "none runs at Instantly (every page was read)")


def by_reason(held: Held) -> str:
    """Each reason once, with the names of those for which it holds."""
    names: dict[str, list[str]] = {}
    for one, why in held.left.items():
        names.setdefault(why, []).append(held.running.get(one, one))
    return "; ".join(f"{why}: {', '.join(sorted(these))}" for why, these in names.items())
