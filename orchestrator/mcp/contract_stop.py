"""The orchestrator: the emergency stop."""

from __future__ import annotations

from pydantic import Field

from servers.common.contract import Args, Result, ToolSpec


class StopSwarm(Args):
    """Why."""

    reason: str = Field(
        min_length=3, max_length=300, description="Why; shown to everybody and kept on record."
    )


class NotVerified(Result):
    """A step of the stop that could not be verified."""

    what: str
    text: str
    remedy: str = Field(description="What a person does about it, now.")


class SwarmStopped(Result):
    """What the stop came to."""

    stopped: bool = Field(description="This machine starts no write any more.")
    everywhere: bool = Field(description="The database knows: no other machine starts one either.")
    verified: bool = Field(description="Every step was verified, and `not_verified` is empty.")
    steps: tuple[str, ...]
    not_verified: tuple[NotVerified, ...]
    next_step: str


STOP_SWARM = ToolSpec(
    "stop_swarm",
    "Stop the swarm",
    "EMERGENCY STOP: from now on no process of the swarm, on any machine, starts another write; "
    "what was on its way is waited for. Nothing is lost; only a person at a terminal can resume. "
    "Use it when something goes out that should not, at once and without asking first. The answer "
    "names whatever could not be verified, such as campaigns at Instantly, and what to do then.",
    StopSwarm,
    SwarmStopped,
    read_only=False,
    destructive=True,
    timeout_s=180.0,  # each of its steps has a bound of its own
)
