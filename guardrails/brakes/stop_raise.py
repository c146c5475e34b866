"""Raising and lifting the stop (P5). Owns: the row, its epoch, and the order of file, row, record.

Raised: the file first (`stop_file`), since it needs nothing else; then the row with a higher
epoch, which voids every permit made before on every machine; then the record. A stop that is up
is not raised again, so ten people at once raise one; each of them is on record.

Lifted: the record first, then the row, then the file: wherever a crash cuts that off, it is still
a stop. The epoch stays, so that a permit from before stays void. Refuses to lift what it cannot
put on record. Whether a person asked for it is the caller's to know.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from guardrails.addresses import without_addresses
from guardrails.audit import AuditEntry, AuditLog, AuditRef
from guardrails.brakes import stop_file
from guardrails.clock import Clock, iso
from guardrails.errors import BadInput, DiskTrouble
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import stop_state

_ROW = select(stop_state.c.epoch, stop_state.c.stopped, stop_state.c.reason)
# Spending permits shares this row's lock: whoever is at it comes before us, or sees the stop.
_HELD = _ROW.with_for_update()


@dataclass(frozen=True)
class Raised:
    """The row as it stands now.

    Args:
        epoch: permits of any other are void.
        was: the epoch before; the same when the stop was up already.
        already: somebody raised it before.
        reason: the standing stop's.
    """

    epoch: int
    was: int
    already: bool
    reason: str


def raise_row(conn: Connection, reason: str, actor: str, at: str) -> Raised:
    """Raise the stop in the caller's write transaction; it holds when that commits.

    `reason` and `actor` have been through `clean_reason`; `at` is UTC text.
    """
    row = conn.execute(_HELD).first()
    if row is not None and row.stopped:
        return Raised(row.epoch, row.epoch, already=True, reason=row.reason or "")
    was = row.epoch if row is not None else 0
    # Without its row nobody knows how far the epochs had come: seconds are beyond all of them.
    epoch = was + 1 if row is not None else int(time.time())
    _write(conn, fresh=row is None, epoch=epoch, stopped=True, reason=reason, actor=actor, at=at)
    return Raised(epoch, was, already=False, reason=reason)


async def record_stop(audit: AuditLog, what: str, actor: str, body: Mapping[str, Any]) -> AuditRef:
    """Put a press, its result, or a lifting on record; addresses in it are blanked.

    Raises:
        AuditUnwritable, AuditBroken, StoreUnavailable: it is not on record.
    """
    entry = AuditEntry("stop", actor, {"stop": what, **without_addresses(dict(body))})
    return (await audit.record([entry]))[0]


async def lift(
    hive: Hive, store: Store, audit: AuditLog, clock: Clock, *, reason: str, actor: str
) -> int:
    """Let the swarm run again; the epoch that counts from now on.

    Raises:
        BadInput: no reason.
        AuditUnwritable, AuditBroken, StoreUnavailable: it is stopped as before.
        DiskTrouble: the file cannot be removed; it is stopped.
    """
    said = stop_file.clean_reason(reason)
    if not said:
        raise BadInput("a reason is needed", remedy="Say why it is safe to go on.")
    await record_stop(audit, "lifted", actor, {"reason": said})
    epoch = await store.run(lambda conn: _lower(conn, said, actor, iso(clock())))
    try:
        stop_file.remove(hive.path)
    except OSError as error:
        raise DiskTrouble(f"the STOP file cannot be removed: {error}") from error
    return epoch


def _lower(conn: Connection, reason: str, actor: str, at: str) -> int:
    row = conn.execute(_HELD).first()
    # A stop by the file alone has voided no permit: that is made up for here.
    epoch = int(time.time()) if row is None else row.epoch + (0 if row.stopped else 1)
    _write(conn, fresh=row is None, epoch=epoch, stopped=False, reason=reason, actor=actor, at=at)
    return epoch


def _write(
    conn: Connection, *, fresh: bool, epoch: int, stopped: bool, reason: str, actor: str, at: str
) -> None:
    values = {"epoch": epoch, "stopped": stopped, "reason": reason, "actor": actor}
    values["changed_at"] = at
    if fresh:
        conn.execute(stop_state.insert().values(id=1, **values))
    else:
        conn.execute(stop_state.update().values(**values))
