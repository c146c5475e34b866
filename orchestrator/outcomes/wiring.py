"""Outcomes joined to a running queen. Owns: which parts they get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy import Connection

from guardrails.approvals import Approvals
from guardrails.audit import AuditLog
from guardrails.bank import Bank
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.hive import Hive
from guardrails.lessons import fold_pending
from guardrails.store import Store
from orchestrator.inbox import Received, settle
from orchestrator.outcomes.handler import Outcomes
from orchestrator.slack.outbox import notice


def outcomes_of(
    config: Config, hive: Hive, store: Store, audit: AuditLog, approvals: Approvals, clock: Clock
) -> Outcomes:
    """The handler over these parts."""
    bank = Bank(hive.bank_file, config.policy.bank, clock)

    async def withdraw(lead_id: str, reason_code: str) -> object:
        return await approvals.withdraw(reason_code, lead_id=lead_id)

    return Outcomes(
        store,
        audit,
        hive.salt(),
        config,
        clock,
        withdraw=withdraw,
        fold=lambda: fold_pending(store, bank, clock),
        tell=_tell,
    )


def taking(outcomes: Outcomes, clock: Clock) -> Callable[[Received], Awaitable[str]]:
    """A handler of the inbox: for Instantly, GHL and links by which people leave."""

    async def take(received: Received) -> str:
        handled = await outcomes.handle(
            received.source.value,
            received.document(),
            received.received_at,
            inbox_id=received.id,
            settle=lambda conn, lead_id, note: settle(
                conn, received.id, clock(), lead_id=lead_id, note=note
            ),
        )
        return handled.note

    return take


def _tell(conn: Connection, key: str, text: str, at: datetime) -> object:
    return notice(conn, key, text, at=at)
