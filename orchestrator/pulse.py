"""The queen's sign of life. Owns: asking each of her servers for a real answer, and saying so.

What proves that a server lives is its answer to a request that goes through its dispatch, not
that its process exists. Each server is asked again and again, with a little more patience than any
call to it has; when each last answered is part of the queen's heartbeat, which the health monitor
judges. Refuses to judge, and to wait for a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from guardrails.clock import Clock, iso, utc_now
from guardrails.config.models.monitor import MonitorRules
from guardrails.errors import ServerUnavailable
from guardrails.heartbeats import Beating
from guardrails.store import Store

Json = dict[str, Any]
_REMEMBERED = timedelta(hours=1)  # restarts
_AT_MOST = 50
_AFTER_CALLS_S = 30.0  # a lead's own call finds a hung server first, and says whose it was


class Servers(Protocol):
    """What is asked: the queen's children."""

    def pids(self) -> dict[str, int | None]:
        """Process id of each server, None while it restarts."""

    def restarts(self) -> dict[str, int]:
        """How often each was restarted."""

    async def ping(self, server: str, timeout_s: float) -> None:
        """It answers a request. Raises ServerUnavailable: dead, restarting or hung."""


@dataclass
class _Known:
    """What is known of one server."""

    good_at: datetime | None = None  # its last answer
    restarts: int = 0
    restarted: deque[datetime] = field(default_factory=lambda: deque(maxlen=_AT_MOST))


class Pulse:
    """An async context: one task for each server.

    Args:
        interval_s: between an answer and the next question.
        hung_after_s: a server that has not answered for so long is killed, and restarts.
    """

    def __init__(
        self, servers: Servers, clock: Clock, interval_s: float, hung_after_s: float
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._interval_s = interval_s
        self._hung_after_s = hung_after_s
        self._known = {name: _Known() for name in servers.pids()}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Pulse:
        now = self._clock()
        for name, count in self._servers.restarts().items():
            self._known[name].restarts = count
        for name, known in self._known.items():
            known.good_at = now  # they have just shaken hands
            self._tasks.append(asyncio.create_task(self._ask(name), name=f"pulse-{name}"))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def told(self) -> Json:
        """For the heartbeat: each server's process, last answer and restarts in the last hour."""
        self._note_restarts()
        pids = self._servers.pids()
        return {
            "servers": {
                name: {
                    "pid": pids.get(name),
                    "good_at": iso(known.good_at) if known.good_at else None,
                    "restarts": known.restarts,
                    "restarted": [iso(at) for at in known.restarted],
                }
                for name, known in self._known.items()
            }
        }

    async def _ask(self, name: str) -> None:
        while True:
            with contextlib.suppress(ServerUnavailable):
                await self._servers.ping(name, self._hung_after_s)
                self._known[name].good_at = self._clock()
            await asyncio.sleep(self._interval_s)

    def _note_restarts(self) -> None:
        now = self._clock()
        for name, count in self._servers.restarts().items():
            known = self._known[name]
            known.restarted.extend([now] * min(count - known.restarts, _AT_MOST))
            known.restarts = count
            while known.restarted and known.restarted[0] < now - _REMEMBERED:
                known.restarted.popleft()


@dataclass
class Sign:
    """The queen's heartbeat. `also` may be set later: what else she says of herself."""

    also: Callable[[], Mapping[str, Any]] = dict


@contextlib.asynccontextmanager
async def alive(
    store: Store,
    servers: Servers,
    rules: MonitorRules,
    hung_after_s: float,
    sign: Sign,
    *,
    about: Mapping[str, Any] | None = None,
    tag: str | None = None,
) -> AsyncIterator[None]:
    """Beat as the queen while the block runs, with her servers' answers in it.

    Args:
        hung_after_s: after so long any call to a server counts as hung.
        sign: what she says of herself by then.
        about: what does not change while she lives, such as her mode.
        tag: tells her from other hives' queens on this machine, see `heartbeats.tag_of`.
    """
    patience = hung_after_s + _AFTER_CALLS_S
    async with Pulse(servers, utc_now, rules.beat_interval_s, patience) as pulse:

        def tell() -> Json:
            return dict(about or {}) | dict(sign.also()) | pulse.told()

        async with Beating(store, "queen", utc_now, rules.beat_interval_s, tell, tag=tag):
            yield
