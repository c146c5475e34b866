"""What the Orchestrator-MCP works over. Owns: opening it, once, and closing it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from guardrails.approvals import Approvals
from guardrails.audit import AuditLog
from guardrails.bank import Bank, load_seed_lessons
from guardrails.bootstrap_hive import ensure_hive
from guardrails.clock import Clock, utc_now
from guardrails.config import Config, config_path
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive, create_once
from guardrails.store import Store, unopened_store
from orchestrator.approvals.case import Cases
from orchestrator.approvals.opening import open_approvals
from orchestrator.environment import Environment
from orchestrator.mcp.late_store import LateStore
from orchestrator.mcp.settings import OrchestratorSettings

log = structlog.get_logger(__name__)
ACTOR = "mcp"  # who acted, for the record, when no person is known


@dataclass(frozen=True)
class Parts:
    """Open parts.

    Args:
        config_path: as the environment names it, for what reads config/ anew.
        database_url: PostgreSQL's, or None.
        clock: the swarm's; `now` is what time it really is, and `offset_s` what is between them.
    """

    config: Config
    config_path: Path | None
    hive: Hive
    store: Store
    audit: AuditLog
    bank: Bank
    approvals: Approvals
    cases: Cases
    clock: Clock
    database_url: str | None
    offset_s: float = 0.0
    now: Clock = utc_now


@contextmanager
def opened_parts(settings: OrchestratorSettings) -> Iterator[Parts]:
    """The parts of one hive, made when it is brand new. The database may be away.

    Raises:
        ConfigError: config/, the hive or its database cannot be used.
    """
    config, clock = settings.config(), settings.clock
    lessons = None
    if settings.sandbox:
        lessons = load_seed_lessons(config_path("sandbox_lessons.json", settings.config_path))
    hive = ensure_hive(settings.hive, settings.sandbox, config, clock, lessons)
    environment = Environment({"SLACK_APPROVER_IDS": settings.approver_ids})
    store = unopened_store(hive, settings.database_url, LateStore)
    audit = AuditLog(hive, store, clock)
    try:
        _look_at(store)
        yield Parts(
            config=config,
            config_path=settings.config_path,
            hive=hive,
            store=store,
            audit=audit,
            bank=Bank(hive.bank_file, config.policy.bank, clock),
            approvals=open_approvals(config, hive, store, audit, clock, environment),
            cases=Cases(audit, store),
            clock=clock,
            database_url=settings.database_url,
            offset_s=settings.sandbox_offset_s,
        )
    finally:
        audit.close()
        store.close()


def _look_at(store: Store) -> None:
    try:
        store.migrate()
    except StoreUnavailable as error:
        log.warning("database_away", why=error.message)


def state_key(hive: Hive) -> bytes:
    """What seals questions on their way to a client and back; the same in every replica.

    The sandbox's salt is no secret, so that it has a file of its own for this.

    Raises:
        ConfigError: the salt cannot be read.
        OSError: the file cannot be.
    """
    if hive.sandbox:
        return create_once(hive.keys_dir / "mcp_state", secrets.token_hex(32).encode())
    return hmac.digest(hive.salt(), b"mcp request state", hashlib.sha256)
