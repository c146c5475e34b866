"""Pauses of sending. Owns: until when no e-mail is claimed, for everybody or for one mailbox.

A pause is only ever made longer; it ends by itself. It holds e-mails, no other write.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from guardrails.clock import iso, parse
from guardrails.errors import BadInput
from guardrails.store import upsert
from guardrails.store.write_tables import sending_pauses

EVERYBODY = "*"
_MAILBOX = "mailbox:"
_ALL = select(sending_pauses).order_by(sending_pauses.c.scope)


@dataclass(frozen=True)
class Pause:
    """No e-mail of `scope` before `until`. `at` is when it began."""

    scope: str
    until: datetime
    reason: str
    at: datetime


def of_mailbox(mailbox_hash: str) -> str:
    """The scope of one mailbox."""
    return f"{_MAILBOX}{mailbox_hash}"


def pause(conn: Connection, scope: str, until: datetime, reason: str, at: datetime) -> bool:
    """Pause sending; call it in a write transaction.

    Args:
        scope: `*`, or `of_mailbox(hash)`.
        reason: for people; no address in it.

    Returns:
        Whether it changed anything: a pause that lasts longer stands.

    Raises:
        BadInput: another scope, or no reason.
    """
    if scope != EVERYBODY and not (scope.startswith(_MAILBOX) and len(scope) > len(_MAILBOX)):
        raise BadInput(f"{scope!r} cannot be paused", remedy="Give * or mailbox:<hash>.")
    if not reason.strip():
        raise BadInput("a pause needs a reason")
    found = {one.scope: one for one in pauses(conn)}.get(scope)
    if found is not None and found.until >= until:
        return False
    row = {"scope": scope, "until": iso(until), "reason": reason.strip(), "at": iso(at)}
    upsert(conn, sending_pauses, row, ("scope",))
    return True


def pauses(conn: Connection, scopes: Collection[str] | None = None) -> tuple[Pause, ...]:
    """Every pause there was, the latest of each scope, over or not; of `scopes` only, if given."""
    rows = conn.execute(_ALL).mappings()
    found = (
        Pause(row["scope"], parse(row["until"]), row["reason"], parse(row["at"])) for row in rows
    )
    return tuple(one for one in found if scopes is None or one.scope in scopes)
