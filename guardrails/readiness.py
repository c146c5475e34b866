"""Modes are earned. Owns: which mode this hive may run in, from the record alone.

Every process that decides or writes asks here by itself, whatever the queen or a configuration
says: above shadow goes only what a signed statement on this hive's record carries, for exactly
the versions that stand here. An edited record, one of another hive, one that was copied to another
place, one from the future, a key that was rotated since, an unreadable database: shadow. Refuses to
raise: the answer is always a mode, and the reason why it is not a higher one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from guardrails.audit import AuditLog
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.errors import AuditBroken, Refused, SwarmError
from guardrails.hive import Hive
from guardrails.keys import checking_key, published_key
from guardrails.model import Mode
from guardrails.readiness_model import KIND, Held, Standing, Statement, lower_of
from guardrails.store import open_existing
from guardrails.versions import Versions, versions_of

MAX_STATEMENTS = 10_000
_SKEW = timedelta(seconds=60)  # of a clock that was set right since
_LOOK_S = 5.0
_HOW = "`swarm preflight --for {mode}` says what is missing, and records it when nothing is."


def standing_at(
    path: Path, config: Config, wanted: Mode | None, database_url: str | None, clock: Clock
) -> Standing:
    """How the mode stands, for a process that has opened nothing yet; nothing is created.

    Args:
        path: of the hive.
        config: its mode is what was configured.
        wanted: a lower one, of the command line or the environment.
    """
    configured = lower_of(config.production.mode, wanted)
    if configured is Mode.SHADOW:
        return Standing(configured, Mode.SHADOW)
    try:
        hive = Hive.existing(path)
        store = open_existing(hive, database_url, wait_s=_LOOK_S)
        try:
            audit = AuditLog(hive, store, clock)
            try:
                return standing_of(hive, audit, config, wanted, clock)
            finally:
                audit.close()
        finally:
            store.close()
    except (SwarmError, OSError) as error:
        return _shadow(configured, f"the record cannot be read: {_said(error)}")


def standing_of(
    hive: Hive, audit: AuditLog, config: Config, wanted: Mode | None, clock: Clock
) -> Standing:
    """The same over an open record."""
    configured = lower_of(config.production.mode, wanted)
    try:
        here = versions_of(config)
        found = tuple(statements(hive, audit, clock))
    except (SwarmError, OSError) as error:
        return _shadow(configured, f"the record cannot be read: {_said(error)}")
    overrides = tuple(one for one in found if one.statement.kind == "override")
    carrying = [one for one in found if one.statement.versions == here]
    best = max(carrying, key=lambda one: _worth(one.statement, configured), default=None)
    mode = lower_of(configured, best.statement.mode if best else Mode.SHADOW)
    why = "" if mode is configured else _why(configured, found, carrying, here)
    return Standing(configured, mode, why, best if mode is not Mode.SHADOW else None, overrides)


def statements(hive: Hive, audit: AuditLog, clock: Clock) -> Iterator[Held]:
    """Every statement of this hive whose signature holds, oldest first, of whatever versions.

    Raises:
        AuditBroken: a record is not what was written.
        StoreUnavailable: the index cannot be read.
        ConfigError: the hive's own secrets cannot be read.
    """
    chain = hive.chain_id()
    for number in range(1, MAX_STATEMENTS):
        record = audit.find(decision_of(chain, number))
        if record is None:
            return
        if record["kind"] != KIND or record["decision_id"] != decision_of(chain, number):
            raise AuditBroken(f"record {record['audit_id']} stands where a statement should")
        held = _opened(hive, record["body"], number, clock)
        if held is not None:
            yield Held(held, record["audit_id"])


def decision_of(chain: str, number: int) -> str:
    """Under which decision id the statement of this number is recorded, once."""
    return f"{KIND}:{chain}:{number}"


def _opened(hive: Hive, body: object, number: int, clock: Clock) -> Statement | None:
    """The statement in a record's body; None when anything about it does not hold."""
    if not isinstance(body, dict) or set(body) != {"statement", "signature"}:
        return None
    try:
        statement = Statement.model_validate_json(json.dumps(body["statement"]))
        signature = base64.b64decode(body["signature"], validate=True)
        key = checking_key(published_key(hive.keys_dir))
        key.verify(signature, statement.signed_bytes())
    except (ValidationError, TypeError, binascii.Error, Refused, InvalidSignature):
        return None
    of_here = (statement.number, statement.chain, statement.sandbox)
    if of_here != (number, hive.chain_id(), hive.sandbox):
        return None
    return statement if statement.issued_at <= clock() + _SKEW else None


def _worth(statement: Statement, configured: Mode) -> tuple[int, bool]:
    """How far it carries what was asked for; of two that carry as far, what was earned."""
    return min(statement.mode.rank, configured.rank), statement.kind == "earned"


def _why(configured: Mode, found: tuple[Held, ...], carrying: list[Held], here: Versions) -> str:
    how = _HOW.format(mode=configured)
    if carrying:
        return f"{configured} was not earned for these versions yet. {how}"
    former = [one.statement for one in found if one.statement.mode.rank >= configured.rank]
    if not former:
        return f"{configured} was never earned here, or not under the present key. {how}"
    changed = [
        name.replace("_", " ")
        for name in Versions.model_fields
        if getattr(former[-1].versions, name) != getattr(here, name)
    ]
    since = f"{former[-1].issued_at:%Y-%m-%d}"
    return f"{' and '.join(changed)} changed since it was earned on {since}. {how}"


def _shadow(configured: Mode, why: str) -> Standing:
    return Standing(configured, Mode.SHADOW, "" if configured is Mode.SHADOW else why)


def _said(error: Exception) -> str:
    return str(getattr(error, "message", None) or getattr(error, "strerror", None) or error)
