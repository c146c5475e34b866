"""The mode that the queen starts in. Owns: asking for it, and saying loudly when it is lowered.

Her servers ask for themselves and do not take her word; she asks so that what she plans is what
they will let through. A mode that was not earned is lowered, never an error: shadow is always safe.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import structlog

from guardrails.audit import AuditLog
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.readiness import standing_of
from guardrails.readiness_model import Standing, freely, lower_of
from guardrails.store import Store

log = structlog.get_logger(__name__)


def mode_in_force(
    hive: Hive, store: Store, config: Config, wanted: Mode | None, clock: Clock, *, must_earn: bool
) -> Standing:
    """How the mode stands in this hive; never raises.

    Args:
        wanted: of the command line; can only lower what `config` says. A higher one is told of.
        must_earn: False in the sandbox, whose vendors are twins.
    """
    in_vain = wanted if wanted and wanted.rank > config.production.mode.rank else None
    if not must_earn:
        return replace(freely(lower_of(config.production.mode, wanted)), asked=in_vain)
    audit = AuditLog(hive, store, clock)
    try:
        return replace(standing_of(hive, audit, config, wanted, clock), asked=in_vain)
    finally:
        audit.close()


def tell(standing: Standing) -> None:
    """On stderr and in the log, when there is anything to tell."""
    for note in standing.notes():
        sys.stderr.write(f"swarm: {note}\n")
        sys.stderr.flush()
        log.warning("mode", note=note)


def about(standing: Standing, *, sandbox: bool) -> dict[str, Any]:
    """What the queen's heartbeat says of her mode for as long as she lives."""
    told: dict[str, Any] = {"mode": standing.mode.value, "sandbox": sandbox}
    if notes := standing.notes():
        told["mode_notes"] = list(notes)
    return told
