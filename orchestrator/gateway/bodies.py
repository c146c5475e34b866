"""Bodies of requests. Owns: how much of one is kept, for how long it is waited for.

Never more than the limit is in memory. Of an authentic sender the rest is read and dropped, so that
it hears our answer; an unknown one has two seconds for that and is cut off (see
`servers/common/listening_protocol.py`). What unknown senders make us hold all together is bounded
as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import ClientDisconnect, Request


class BodyFault(StrEnum):
    """Why a body is not whole."""

    TOO_LARGE = "too_large"  # larger than the limit
    TOO_SLOW = "too_slow"  # not here in time
    CUT_OFF = "cut_off"  # the sender went away
    CROWDED = "crowded"  # unknown senders hold too much of our memory: later


STATUS = {
    BodyFault.TOO_LARGE: 413,
    BodyFault.TOO_SLOW: 408,
    BodyFault.CUT_OFF: 400,
    BodyFault.CROWDED: 503,
}


@dataclass(frozen=True)
class Body:
    """What came of a request's body. `content` is only a part when there is a `fault`."""

    content: bytes
    fault: BodyFault | None = None


class Budget:
    """How many bytes of bodies may be held for senders of whom nothing is known yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> bool:
        """Hold so many more. False: that would be too many, and nothing is held."""
        if self.held + size > self._most:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """They are gone."""
        self.held -= size


async def read_known(request: Request, limit: int, seconds: float) -> Body:
    """The body of a sender who is authentic; what exceeds the limit is read and dropped."""
    kept = bytearray()
    size = 0
    try:
        async with asyncio.timeout(seconds):
            if _declared(request) > limit and "expect" in request.headers:
                return Body(b"", BodyFault.TOO_LARGE)  # it asked before sending
            async for chunk in request.stream():
                size += len(chunk)
                kept += chunk[: limit - len(kept)]
    except TimeoutError:
        slow = BodyFault.TOO_LARGE if size > limit else BodyFault.TOO_SLOW
        return Body(bytes(kept), slow)
    except ClientDisconnect:
        return Body(bytes(kept), BodyFault.CUT_OFF)
    return Body(bytes(kept), BodyFault.TOO_LARGE if size > limit else None)


async def read_unknown(request: Request, limit: int, seconds: float, budget: Budget) -> Body:
    """The body of a sender whose signature is still to be checked."""
    if _declared(request) > limit:
        return Body(b"", BodyFault.TOO_LARGE)
    kept = bytearray()
    held = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                if len(kept) + len(chunk) > limit:
                    return Body(b"", BodyFault.TOO_LARGE)
                if not budget.take(len(chunk)):
                    return Body(b"", BodyFault.CROWDED)
                held += len(chunk)
                kept += chunk
    except TimeoutError:
        return Body(b"", BodyFault.TOO_SLOW)
    except ClientDisconnect:
        return Body(b"", BodyFault.CUT_OFF)
    finally:
        budget.give_back(held)
    return Body(bytes(kept))


def _declared(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0
