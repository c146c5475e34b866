"""Whether the gateway is well. Owns: `/healthz`, `/readyz`, `/metrics`.

`/healthz` says that the process answers, and asks nobody. `/readyz` says what it needs and has not;
a single heartbeat is written for it, at most once a second whoever asks. Refuses to show anything
that is not a number or a word of ours.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from guardrails.errors import SwarmError
from orchestrator.gateway.metrics import Metrics

_FRESH_S = 1.0
_PROBE_S = 2.0


@dataclass(frozen=True)
class Check:
    """One thing that the gateway needs."""

    name: str
    ok: bool
    says: str


class Health:
    """The handlers.

    Args:
        write: writes something small into the database.
        spooled: bytes that wait for the database.
    """

    def __init__(
        self,
        hive: Path,
        write: Callable[[], Awaitable[None]],
        spooled: Callable[[], int],
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hive = hive
        self._write = write
        self._spooled = spooled
        self._metrics = metrics
        self._monotonic = monotonic
        self._checked_at = float("-inf")
        self._checks: tuple[Check, ...] = ()
        self._checking = asyncio.Lock()

    async def healthz(self, _request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """200 when everything is there, else 503; what is not is named."""
        async with self._checking:
            if self._monotonic() >= self._checked_at + _FRESH_S:
                self._checks = (await self._database(), self._hive_there(), self._spool())
                self._checked_at = self._monotonic()
        ready = all(check.ok for check in self._checks)
        found = {check.name: {"ok": check.ok, "says": check.says} for check in self._checks}
        return JSONResponse({"ready": ready, "checks": found}, 200 if ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus."""
        return Response(await self._metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _database(self) -> Check:
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._write()
        except TimeoutError:
            return Check("database", False, f"takes no write within {_PROBE_S:g} s")
        except SwarmError as error:
            return Check("database", False, f"cannot be written ({error.code})")
        return Check("database", True, "takes writes")

    def _hive_there(self) -> Check:
        there = (self._hive / "hive.json").exists() and os.access(self._hive, os.W_OK)
        return Check("hive", there, "is there" if there else "is gone, or cannot be written")

    def _spool(self) -> Check:
        waiting = self._spooled()
        says = f"{waiting} bytes wait for the database" if waiting else "is empty"
        return Check("spool", True, says)
