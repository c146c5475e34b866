"""What the gateway stands on. Owns: opening configuration, hive, database and audit, in this order.

The only ties to the queen are the database and the hive: no MCP server is opened here, and no
vendor's key is read but those that prove who is speaking.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.audit import AuditLog
from guardrails.bank import load_seed_lessons
from guardrails.bootstrap_hive import ensure_hive
from guardrails.clock import Clock, shifted
from guardrails.config import Config, config_path, load_config
from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.store import Store, unopened_store
from orchestrator.environment import Environment
from orchestrator.gateway.clicks import Interactions
from orchestrator.gateway.server import Background
from orchestrator.logs import logging_to
from orchestrator.twins import sandbox_offset
from servers.common import contract_sandbox

_SECRETS = ("RB2B_WEBHOOK_SECRET", "INSTANTLY_WEBHOOK_SECRET", "GHL_WEBHOOK_SECRET",
            "GHL_WEBHOOK_PUBLIC_KEY", "SLACK_SIGNING_SECRET")  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What a command line says; host and port override `gateway` in production.json."""

    hive: Path
    sandbox: bool
    config_path: Path | None = None
    host: str | None = None
    port: int | None = None


@dataclass(frozen=True)
class Ground:
    """Open parts, and the gateway's own variables (`values`, with the sandbox's in the sandbox)."""

    config: Config
    hive: Hive
    store: Store
    audit: AuditLog
    clock: Clock
    values: Mapping[str, str]

    @property
    def sandbox(self) -> bool:
        """Whether nothing here is real."""
        return self.hive.sandbox


@dataclass(frozen=True)
class Attachment:
    """What somebody else adds to the gateway.

    Args:
        interactions: takes verified clicks.
        background: runs beside the door, again after a failure, until the gateway ends.
        tell: what the heartbeat says of it; cheap, and without secrets.
    """

    interactions: Interactions | None = None
    background: Sequence[Background] = ()
    tell: Callable[[], Mapping[str, Any]] = dict


def own_values(environment: Environment, *, sandbox: bool) -> dict[str, str]:
    """The gateway's variables; in the sandbox its fixed secrets fill what is not given.

    Raises:
        ConfigError: outside the sandbox, one of the sandbox's public secrets.
    """
    own = environment.for_server("gateway")
    public = contract_sandbox.environment()
    if sandbox:
        return public | own
    for name in _SECRETS:
        if own.get(name) is not None and own.get(name) == public.get(name):
            raise ConfigError(
                f"{name} is the sandbox's, which everybody knows",
                remedy="Use the vendor's own, or invent one; see docs/webhooks.md.",
            )
    return own


@contextlib.contextmanager
def opened(options: Options, config: Config, environment: Environment) -> Iterator[Ground]:
    """Everything open, closed at the end; the database not looked at yet.

    Raises:
        ConfigError: the hive, or a variable.
    """
    values = own_values(environment, sandbox=options.sandbox)
    clock = shifted(sandbox_offset(environment.values, sandbox=options.sandbox))
    # Exactly as the queen opens it: whichever of the two comes first makes the bank.
    lessons = None
    if options.sandbox:
        lessons = load_seed_lessons(config_path("sandbox_lessons.json", options.config_path))
    hive = ensure_hive(options.hive, options.sandbox, config, clock, lessons)
    with contextlib.ExitStack() as stack:
        stack.enter_context(logging_to(hive.logs_dir / "gateway.log"))
        # Looked at once the door is open: deliveries are taken in while the database is away.
        store = unopened_store(hive, environment.values.get("SWARM_DATABASE_URL"))
        stack.callback(store.close)
        audit = AuditLog(hive, store, clock)
        stack.callback(audit.close)
        yield Ground(config, hive, store, audit, clock, values)


def configuration(options: Options) -> Config:
    """config/, with host and port as the command line says. Raises ConfigError."""
    config = load_config(options.config_path)
    rules = config.production.gateway
    stated = {"host": options.host, "port": options.port}
    changed = rules.model_copy(update={k: v for k, v in stated.items() if v is not None})
    production = config.production.model_copy(update={"gateway": changed})
    return config.model_copy(update={"production": production})
