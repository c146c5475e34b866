"""The queen's housekeeping. Owns: what she does now and then to what grows, and for its safety.

Her own files are hers to keep (compressing the audit, noting the other chains' heads, filling in
lines that other machines must read); the database's rows are kept by one queen at a time.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from guardrails.audit.anchors import HeadNotes
from guardrails.audit.compress import compress_days
from guardrails.audit.lines import fill_lines
from orchestrator.bootstrap import Swarm
from orchestrator.errands import Errand
from orchestrator.retention import Retention
from orchestrator.retention_engine import forget_ended

log = structlog.get_logger(__name__)
NOTE_S, KEEP_S, COMPRESS_S, FILL_S = 300.0, 600.0, 900.0, 1.0


def housekeeping(swarm: Swarm) -> list[Errand]:
    """Her errands; each call is short, and the next one goes on."""
    notes = HeadNotes(swarm.hive, swarm.store, swarm.audit)
    house = _House(swarm)
    return [
        Errand("note the other chains", NOTE_S, notes.note),
        Errand("compress the audit", COMPRESS_S, house.compress),
        Errand("fill in lines", FILL_S, house.fill),
        Errand("retention", KEEP_S, house.keep, alone=True),
    ]


class _House:
    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._rules = swarm.config.production.retention
        self._retention = Retention(swarm.store, self._rules, swarm.clock)
        self._filled = swarm.store.dialect == "sqlite"

    async def compress(self) -> None:
        """One closed day."""
        done = await asyncio.to_thread(
            compress_days,
            self._swarm.hive,
            self._swarm.clock,
            keep_days=self._rules.audit_plain_days,
            limit=1,
        )
        for day in done:
            log.info("audit_compressed", day=day.day, before=day.before, after=day.after)

    async def fill(self) -> None:
        """Some lines of records from before other machines could want to read them."""
        if not self._filled:
            filled = await asyncio.to_thread(fill_lines, self._swarm.hive, self._swarm.store)
            self._filled = filled == 0

    async def keep(self) -> None:
        """One pass over the database."""
        gone = await self._retention.run()
        before = self._swarm.clock() - timedelta(days=self._rules.engine_days)
        if ended := await forget_ended(before):
            gone["ended workflows"] = ended
        if gone:
            log.info("retention", **{name.replace(" ", "_"): n for name, n in gone.items()})
