"""The brakes of the emergency stop's own processes. Owns: that they read and hold, and only then.

They ask vendors what runs there and hold it, while the swarm is stopped and everybody else's
attempts are refused. No breaker and no retry budget stands in their way: a vendor in trouble is
asked all the same, and a handful of requests breaks nobody's limit. Refuses everything in a swarm
that is not stopped, and whatever costs money.
"""

from __future__ import annotations

import asyncio

from guardrails.brakes.desk import CallEnd, Request
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import Granted
from guardrails.errors import Refused, Stopped

_FREE = frozenset({"read", "write"})  # a write stands under a permit of the emergency besides


class EmergencyBrakes:
    """See the module; a `Gatekeeper`."""

    def __init__(self, switch: StopSwitch) -> None:
        self._switch = switch

    async def admit(self, request: Request) -> Granted:
        """Let it leave at once.

        Raises:
            Refused: there is no emergency.
            Stopped: it costs money.
        """
        state = await asyncio.to_thread(self._switch.state)
        if not state.stopped:
            raise Refused("the emergency stop's own processes work in a stopped swarm alone")
        if request.asked.operation_class not in _FREE:
            raise Stopped(f"the swarm is stopped: {state.reason}")
        return Granted(0.0, is_probe=False)

    def tell(self, end: CallEnd) -> None:
        """What its calls come to is told by the emergency stop itself."""
