"""What runs beside the gateway's door. Owns: that it is started again when it fails.

It never takes the door down. How the door itself listens: `servers/common/listening.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog

log = structlog.get_logger(__name__)
Background = Callable[[], Awaitable[None]]
_AGAIN_S = 5.0


@contextlib.asynccontextmanager
async def beside(
    background: Sequence[Background], again_s: float = _AGAIN_S
) -> AsyncIterator[None]:
    """Run all of these while the block runs; one that fails or returns is started again."""
    tasks = [asyncio.create_task(_for_ever(one, again_s)) for one in background]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _for_ever(work: Background, again_s: float) -> None:
    while True:
        try:
            await work()
        except Exception:  # its edge: the next try may go better
            log.exception("background_failed", task=getattr(work, "__qualname__", "?"))
        await asyncio.sleep(again_s)
