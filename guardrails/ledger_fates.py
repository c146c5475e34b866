"""Writes that may have happened (P3). Owns: what counts as such, and who may say what became of it.

Whoever dispatched a write and was never heard of again leaves an unknown fate. A person, or a
look at the vendor, makes it known; time does not. Refuses to do an e-mail again, and another first
one to the same person.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from guardrails import ledger_table as table
from guardrails.clock import iso
from guardrails.errors import BadInput, NotFound
from guardrails.ledger_rows import LedgerRefused, LedgerRow, Status, WriteEntry

_DIED = "whoever dispatched it died, or was never heard of again"


# What a write becomes by the word of anybody who looked at the vendor. To be told wrongly that
# nothing left would send an e-mail twice: of a write under way, only whoever dispatched it knows.
_SEEN = {
    Status.PENDING: frozenset({Status.SENT}),
    Status.CLAIMED: frozenset({Status.SENT, Status.PENDING}),
    Status.DISPATCHING: frozenset({Status.SENT, Status.UNKNOWN}),
    Status.UNKNOWN: frozenset({Status.SENT, Status.FAILED}),
}
_OWNERS = {Status.DISPATCHING: frozenset({Status.FAILED, Status.PENDING})}


def becomes(row: LedgerRow, said: Status, *, by_owner: bool) -> Status | None:
    """What the row becomes when that is said of it; None when it stays as it is."""
    if by_owner and said is Status.PENDING and row.status is Status.UNKNOWN:
        return Status.FAILED  # it did not leave; but an unknown fate leads nowhere else
    if said in _SEEN.get(row.status, ()) or (by_owner and said in _OWNERS.get(row.status, ())):
        return said
    return None


def is_unknown(row: LedgerRow, before: datetime) -> bool:
    """Whether nobody can tell; dispatching since `before` or earlier counts."""
    if row.status is not Status.DISPATCHING:
        return row.status is Status.UNKNOWN
    return row.dispatched_at is None or row.dispatched_at <= before


def require_open(row: LedgerRow, entry: WriteEntry, stale: timedelta, now: datetime) -> bool:
    """Whether the write may be claimed (again); False when it was done already.

    Raises:
        LedgerRefused: the key stands for another write, or this one may be under way, may have
            happened, or has ended.
    """
    if row.identity != entry.identity:
        raise LedgerRefused(
            "other_write",
            f"{entry.key} stands for another write",
            remedy="Another recipient or content needs a key of its own.",
        )
    if row.status is Status.SENT:
        return False
    _require_known(row, stale, now)
    return True


def _require_known(row: LedgerRow, stale: timedelta, now: datetime) -> None:
    if is_unknown(row, now - stale):
        if row.repeatable:
            return
        raise LedgerRefused(
            "fate_unknown",
            f"{row.key} may have happened: it is not done again",
            remedy="Look at the vendor, then `swarm sends resolve`.",
        )
    if row.status is Status.DISPATCHING and row.dispatched_at is not None:
        until = row.dispatched_at + stale
        raise LedgerRefused("in_flight", f"{row.key} may be on its way", until=until)
    if row.status is Status.FAILED and row.counts:
        raise LedgerRefused("ended", f"{row.key} has ended: {row.note or 'refused'}")


def require_first(conn: Connection, entry: WriteEntry) -> None:
    """See that a first e-mail is one, whatever spelling of their address it goes to.

    Raises:
        LedgerRefused: this person got another one, or would not be known again when they come by
            their address: a tagged one that was found for somebody known by their profile.
    """
    if entry.not_since is None:
        return
    other = table.other_email(conn, entry, entry.not_since)
    if other is not None:
        raise LedgerRefused(
            "already_written",
            f"this person got, or is getting, another e-mail ({other})",
            remedy="Only a later touch may write to them again.",
        )
    if not entry.recognisable:
        raise LedgerRefused(
            "unrecognisable",
            "nobody would know by this address and id that this person got an e-mail",
            remedy="Submit them as a lead with this address.",
        )


def require_wanted(conn: Connection, entry: WriteEntry) -> None:
    """See that an e-mail was not given up, by whom ever, since somebody set about sending it.

    Raises:
        LedgerRefused: it was.
    """
    if table.given_up(conn, entry):
        raise LedgerRefused("given_up", f"{entry.key} was given up while it was on its way")


def sweep(conn: Connection, now: datetime, before: datetime) -> tuple[str, ...]:
    """Mark as unknown what is dispatching since `before`; the keys."""
    swept = []
    for row in table.unknown_rows(conn, before):
        # Read again under its lock: it may have ended a moment ago.
        if row.status is Status.DISPATCHING and table.hold(conn, row.key) == row:
            end = {"status": Status.UNKNOWN.value, "ended_at": iso(now), "note": _DIED}
            table.change(conn, row.key, now, **end)
            swept.append(row.key)
    return tuple(swept)


def lost(conn: Connection, keys: Iterable[str], now: datetime) -> tuple[str, ...]:
    """Mark as unknown what is dispatching under these keys: whoever was at it is known to be dead.

    Returns:
        The keys of those that it was.
    """
    found = []
    for key in keys:
        row = table.hold(conn, key)
        if row is not None and row.status is Status.DISPATCHING:
            end = {"status": Status.UNKNOWN.value, "ended_at": iso(now), "note": _DIED}
            table.change(conn, key, now, **end)
            found.append(key)
    return tuple(found)


def resolve(
    conn: Connection, key: str, happened: bool, note: str, now: datetime, before: datetime
) -> None:
    """Write a person's word down.

    Raises:
        NotFound, BadInput: as `Ledger.resolve`.
    """
    row = table.hold(conn, key)
    if not note.strip():
        raise BadInput("a reason is needed", remedy="Say what the vendor shows.")
    if row is None:
        raise NotFound(f"no write under {key!r}", remedy="`swarm sends unknown` lists them.")
    if not is_unknown(row, before):
        raise BadInput(
            f"{key} is {row.status}: there is nothing to resolve",
            remedy="A write in flight becomes unknown when nobody can be at it any more.",
        )
    status = Status.SENT if happened else Status.FAILED
    end = {"status": status.value, "ended_at": iso(now), "note": note.strip()}
    table.change(conn, key, now, **end)
