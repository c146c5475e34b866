"""Whether a queen works. Owns: one sentence about it, for tools that leave work to her."""

from __future__ import annotations

from datetime import datetime, timedelta

from guardrails.heartbeats import Heartbeat, read_heartbeats
from guardrails.model import Mode
from orchestrator.mcp.parts import Parts

RUNNING = "running"
_START = "start one with `swarm up`"


async def queen(parts: Parts, taken_up: Mode | None = None) -> str:
    """`running`, or what is wrong and what to do. Raises StoreUnavailable.

    Args:
        taken_up: the mode in which leads are open that somebody asks about.
    """
    beats = await parts.store.query(read_heartbeats)
    queens = [beat for beat in beats if beat.role == "queen"]
    # By the wall's clock, which heartbeats follow in the sandbox too.
    silent = timedelta(seconds=parts.config.production.monitor.silent_after_s)
    return said(queens, parts.now() - silent, taken_up)


def said(queens: list[Heartbeat], since: datetime, taken_up: Mode | None = None) -> str:
    """The same of these heartbeats; who beat before `since` is silent."""
    if not queens:
        return f"no queen has ever run here: {_START}"
    fresh = [beat for beat in queens if beat.ended_at is None and beat.beat_at >= since]
    if fresh:
        waits = [beat.document.get("waits_because") for beat in fresh]
        if all(waits):
            return f"running, and waits: {waits[0]}"
        modes = {str(beat.document.get("mode", taken_up)) for beat in fresh}
        if taken_up is None or taken_up.value in modes:
            return RUNNING
        return (
            f"running in {', '.join(sorted(modes))}: what was taken up in {taken_up} waits until "
            "she runs in that again"
        )
    latest = max(queens, key=lambda beat: beat.beat_at)
    if latest.ended_at is not None:
        return f"the queen has ended: {_START}"
    return f"the queen has not been heard of since {latest.beat_at:%H:%M:%S} UTC: {_START}"
