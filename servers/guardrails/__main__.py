"""Start the guardrails server on stdio: settings → hive, store, bank, audit → run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server

from guardrails.audit import AuditLog
from guardrails.authorize import Authorizer
from guardrails.bank import Bank
from guardrails.bootstrap_hive import ensure_hive
from guardrails.brakes.stop import StopSwitch
from guardrails.gate import Gate
from guardrails.ledger import Ledger
from guardrails.store import open_store
from servers.common.main import run
from servers.guardrails.service import GuardrailsService
from servers.guardrails.settings import GuardrailsSettings
from servers.guardrails.tools import build_server


@asynccontextmanager
async def open_server() -> AsyncIterator[Server[Any]]:
    """The server over its hive. An unreadable bank does not stop it: it denies and says why."""
    settings = GuardrailsSettings()
    config, clock = settings.config(), settings.clock
    hive = ensure_hive(settings.hive, settings.sandbox, config, clock)
    store = open_store(hive, settings.database_url)
    audit = AuditLog(hive, store, clock)
    try:
        bank = Bank(hive.bank_file, config.policy.bank, clock)
        stop = StopSwitch(hive, store)
        sender = settings.sender_if_set()
        gate = Gate(config, hive, store, audit, bank, stop, clock, sender=sender)
        ledger = Ledger.of(config.production, store, clock, hive.salt())
        authorizer = Authorizer(
            config,
            hive,
            store,
            audit,
            bank,
            stop,
            clock,
            ledger,
            sender=sender,
            approvers=settings.approvers(config, hive.salt()),
            purpose=settings.purpose,
        )
        service = GuardrailsService(config, hive, store, audit, bank, stop, gate, authorizer)
        yield build_server(service)
    finally:
        audit.close()
        store.close()


if __name__ == "__main__":
    run(open_server)
