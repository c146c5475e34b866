"""What is done at once about somebody who left. Owns: the record of it.

The suppression itself is in the database before this begins. Refuses to fail the answer: what
cannot be recorded now is recorded by whoever works on the inbox, under the same id.
"""

from __future__ import annotations

import asyncio

import structlog

from guardrails.audit import AuditEntry, AuditLog
from guardrails.errors import SwarmError
from guardrails.unsubscribe import Leaver

log = structlog.get_logger(__name__)
_PATIENCE_S = 3.0


def record_of(lead_id: str, hashed: str) -> AuditEntry:
    """The one record of a lead's leaving by a link, whoever writes it."""
    return AuditEntry(
        kind="suppression",
        actor="recipient",
        body={"reason": "opt_out", "source": "unsubscribe_link", "subject_hash": hashed},
        decision_id=f"unsubscribe:{lead_id}",
        lead_id=lead_id,
    )


class Leaving:
    """Records those who leave."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def left(self, who: Leaver) -> None:
        """Put it on record; never raises."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._audit.record([record_of(who.lead_id, who.hashed)])
        except (SwarmError, TimeoutError) as error:
            log.warning("leaving_not_recorded", lead=who.lead_id, error=type(error).__name__)
