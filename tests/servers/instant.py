"""An event loop whose hours take no time, and one vendor's brakes on its clock.

For tests of what happens when: everything drawn, nothing waited for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable

from guardrails.brakes.breaker import Breaker
from guardrails.brakes.desk import CallEnd, Request
from guardrails.brakes.vendor_state import Granted, Turned, VendorRules, VendorState
from guardrails.errors import RateLimited

_EPOCH = 1_700_000_000.0


class _NoWaiting(selectors.DefaultSelector):
    """Moves the loop's clock on instead of waiting."""

    loop: InstantLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self.loop.now += max(0.0, timeout)
        return super().select(0)


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop whose hours take no time."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _NoWaiting()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class Keeper:
    """The vendor's state as the database would hold it; each question takes its time."""

    def __init__(self, rules: VendorRules, takes: Callable[[], float], loop: InstantLoop) -> None:
        self.rules, self.takes, self.loop = rules, takes, loop
        self.state = VendorState()

    @property
    def breaker(self) -> Breaker:
        """Of reads."""
        return self.state.breakers["read"]

    async def admit(self, request: Request) -> Granted:
        await asyncio.sleep(self.takes())
        found, _ = self.state.ask(self.rules, _EPOCH + self.loop.now, request.asked)
        if isinstance(found, Turned):
            raise RateLimited(found.why, vendor=request.vendor, operation=request.operation)
        return found

    def tell(self, end: CallEnd) -> None:
        if end.ended is not None:
            self.state.end(self.rules, _EPOCH + self.loop.now, end.ended)
