"""One press of the red button, on one hive. Owns: what is known of it, and putting it on record."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.audit import AuditLog
from guardrails.brakes.stop_file import Placed
from guardrails.brakes.stop_raise import record_stop
from guardrails.clock import Clock
from guardrails.errors import SwarmError
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.emergency_report import Told

RECORD_S = 10.0
_STEP = "record"


@dataclass(frozen=True)
class Press:
    """What is known when somebody has pressed, for one hive.

    Args:
        hive: absolute; the file was placed in it, or was tried to.
        database_url: PostgreSQL's, or None.
        offset_s: how far ahead of the wall's the sandbox's clock is.
        wait_s: how long writes in flight are waited for.
        database_s: how long the database is.
    """

    hive: Path
    placed: Placed
    reason: str
    database_url: str | None
    clock: Clock
    offset_s: float
    wait_s: float
    database_s: float = 10.0

    @property
    def actor(self) -> str:
        """Who pressed, for the record."""
        try:
            return f"person:{getpass.getuser()}"
        except (KeyError, OSError):  # a user without a name
            return f"person:{os.getuid()}"


async def record(
    press: Press, hive: Hive, store: Store, told: Told, what: str, body: Mapping[str, Any]
) -> None:
    """Put it on record, in bounded time; after a failure it is not tried again."""
    if any(one.what == _STEP for one in told.residue):
        return
    said = {"reason": press.reason, **body}
    try:
        audit = AuditLog(hive, store, press.clock)
        async with asyncio.timeout(RECORD_S):
            ref = await record_stop(audit, what, press.actor, said)
    except (SwarmError, TimeoutError) as error:
        why = getattr(error, "message", f"no answer within {RECORD_S:g} s")
        not_recorded(told, f"the audit could not take it ({why})")
        return
    told.facts.setdefault("audit_ids", []).append(ref.audit_id)
    told.line(_STEP, f"audit {ref.audit_id}")
    await asyncio.to_thread(audit.close)


def not_recorded(told: Told, why: str) -> None:
    """It stands in this report alone."""
    told.unverified(_STEP, why, "Keep this output; press again when the hive is sound.")
