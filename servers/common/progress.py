"""Progress of a long call. Owns: telling a client that asked for it, and nobody else.

A tool says how far it is wherever that is natural (`report`), without knowing whether anybody
listens. Refuses to go backwards, and to flood: a step is told when the last one is a while ago, or
when it is the end. A client that cannot be told holds up nothing: it is told no more.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

Tell = Callable[[float, float | None, str | None], Awaitable[None]]
_APART_S = 0.1
_PATIENCE_S = 1.0


class _Listener:
    """A client that asked, and what it was told last."""

    def __init__(self, tell: Tell, monotonic: Callable[[], float], patience_s: float) -> None:
        self._tell: Tell | None = tell
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._done = -1.0
        self._at = float("-inf")

    async def told(self, done: float, total: float | None, message: str | None) -> None:
        now = self._monotonic()
        soon = now - self._at < _APART_S and done != total
        if self._tell is None or done <= self._done or soon:
            return
        self._done, self._at = done, now
        with anyio.move_on_after(self._patience_s) as patience:
            await self._tell(done, total, message)
        if patience.cancelled_caught:
            self._tell = None


_LISTENER: ContextVar[_Listener | None] = ContextVar("progress_listener", default=None)


async def report(done: float, total: float | None = None, message: str | None = None) -> None:
    """So much is done, of `total` if that is known. `message` is for a person; nobody's data."""
    listener = _LISTENER.get()
    if listener is not None:
        await listener.told(done, total, message)


@contextmanager
def told_to(
    tell: Tell, monotonic: Callable[[], float] = time.monotonic, patience_s: float = _PATIENCE_S
) -> Iterator[None]:
    """Have what is reported inside the block told to a client, who has so long to take it."""
    token = _LISTENER.set(_Listener(tell, monotonic, patience_s))
    try:
        yield
    finally:
        _LISTENER.reset(token)
