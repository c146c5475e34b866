"""What goes wrong between queen and servers. Owns: writing it down, and leaving poison alone.

A server that dies or hangs while it works on a lead is a failure of that lead too. Most leads are
innocent and succeed when asked again; one that takes its server down several times in a row is
quarantined, so that the others go on. Vendors' failures are written by the server that saw them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from guardrails.brakes.failures import FailureKind, FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.correlation import current
from guardrails.errors import Failure, LeadQuarantined

_KINDS: dict[str, FailureKind] = {
    "internal": "tool_crashed",
    "tool_error": "tool_crashed",
    "store_unavailable": "store",
    "disk_trouble": "disk",
    "bank_unreadable": "bank",
    "audit_unwritable": "audit",
    "audit_broken": "audit",
}


class Watcher(Protocol):
    """What a child tells about its calls."""

    async def lost(self, server: str, tool: str, why: str, *, hung: bool) -> None:
        """The server died or hung in this call. Raises LeadQuarantined when it is enough."""

    async def failed(self, server: str, tool: str, failure: Failure) -> None:
        """The tool answered with a failure."""

    def served(self, server: str) -> None:
        """The tool answered."""


class Incidents:
    """The `Watcher` of a running swarm."""

    def __init__(self, tracker: FailureTracker, quarantine: Quarantine, limit: int) -> None:
        self._tracker = tracker
        self._quarantine = quarantine
        self._limit = limit
        self._in_a_row: Counter[tuple[str, str]] = Counter()
        self._writing: set[asyncio.Task[None]] = set()

    async def lost(self, server: str, tool: str, why: str, *, hung: bool) -> None:
        """See `Watcher`."""
        self._write("server_hung" if hung else "server_died", server, tool, why)
        lead_id = current().lead_id
        if lead_id is None:
            return
        self._in_a_row[lead_id, server] += 1
        times = self._in_a_row[lead_id, server]
        if times < self._limit:
            return
        reason = f"{server}.{tool} died or hung {times} times in a row on this lead: {why}"
        await self._quarantine.put(lead_id, reason, times)
        del self._in_a_row[lead_id, server]
        raise LeadQuarantined(reason)

    async def failed(self, server: str, tool: str, failure: Failure) -> None:
        """See `Watcher`."""
        self.served(server)
        kind = _KINDS.get(failure.code)
        if kind is not None:
            self._write(kind, server, tool, failure.message)

    def served(self, server: str) -> None:
        """See `Watcher`."""
        lead_id = current().lead_id
        if lead_id is not None:
            self._in_a_row.pop((lead_id, server), None)

    async def drain(self) -> None:
        """Wait until everything is written."""
        await asyncio.gather(*self._writing)

    def _write(self, kind: FailureKind, server: str, tool: str, detail: str) -> None:
        row = self._tracker.row(kind, tool, detail, server=server)
        # Not awaited: a locked database must not hold up the call's next attempt.
        task = asyncio.create_task(self._tracker.record(row))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
