"""What the next writer finds. Owns: bringing files and anchor together after a crash.

Cuts off an unfinished last line, which nobody was told of; indexes whole records beyond the
anchor, so that a retried decision finds its record. They are not cut off as well: a database that
was restored from a backup is behind records that were acknowledged. Changes nothing when the files
lack what the anchor says: that is no crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardrails.audit.files import DayFiles
from guardrails.audit.index import AuditIndex
from guardrails.audit.records import GENESIS, AuditHead, Record, misfit, opened
from guardrails.errors import AuditBroken, AuditUnwritable
from guardrails.store import Store

_AT_ONCE = 500  # records indexed in one transaction


@dataclass(frozen=True)
class Tail:
    """The last record, its file, and that file's inode and size just after it was written."""

    head: AuditHead
    day: str  # "" while there is no file
    state: tuple[int, int]


def recover(chain: str, files: DayFiles, index: AuditIndex, store: Store, at: str) -> Tail:
    """Make files and anchor agree and return the tail. To be called under the files' lock.

    Raises:
        AuditBroken: a record that the anchor seals is missing or altered, or one beyond it does
            not follow.
        AuditUnwritable: a file cannot be read or mended.
    """
    try:
        return _recover(chain, files, index, store, at)
    except FileNotFoundError as error:
        raise AuditBroken(f"an audit file is missing: {error.filename}") from error
    except OSError as error:
        raise AuditUnwritable(f"the audit cannot be read: {error.strerror or error}") from error


def _recover(chain: str, files: DayFiles, index: AuditIndex, store: Store, at: str) -> Tail:
    days = files.days()
    with store.transaction() as conn:
        anchor = index.anchor(conn)
        if anchor is None:
            _refuse_orphans(files, days)
            index.begin(conn, at)
            anchor = AuditHead(0, GENESIS)
        place = index.place(conn, anchor.seq)
    day, offset = (days[0] if days else ""), 0
    if anchor.seq:
        if place is None or place.hash != anchor.hash:
            raise AuditBroken(f"the index has no place for the anchored record {anchor.seq}")
        day, offset = place.day, _end_of(files, place.day, place.offset, anchor)
    if not days:
        return Tail(anchor, "", (0, 0))
    files.settle(days[-1])
    head = anchor
    batch: list[tuple[Record, str, int]] = []
    for record, where, start in _beyond(files, days, day, offset):
        if why := misfit(record, head, chain):
            raise AuditBroken(f"{where}: a record beyond the anchor {why}")
        head = AuditHead(record["seq"], record["hash"])
        batch.append((record, where, start))
        if len(batch) == _AT_ONCE:
            _index(store, index, batch)
    _index(store, index, batch)
    return Tail(head, days[-1], files.state(days[-1]))


def _end_of(files: DayFiles, day: str, offset: int, anchor: AuditHead) -> int:
    line = files.line_at(day, offset)
    try:
        record = opened(line)
    except ValueError as error:
        raise AuditBroken(f"{day}: the anchored record {anchor.seq} is gone: {error}") from error
    if (record["seq"], record["hash"]) != (anchor.seq, anchor.hash):
        raise AuditBroken(f"{day}: the anchored record {anchor.seq} was replaced")
    return offset + len(line)


def _beyond(
    files: DayFiles, days: list[str], day: str, offset: int
) -> Iterator[tuple[Record, str, int]]:
    for each in days:
        if each < day:
            continue
        for line in files.lines(each, offset if each == day else 0):
            try:
                yield opened(line.content), each, line.offset
            except ValueError as error:
                raise AuditBroken(f"{each}: a line beyond the anchor is {error}") from error


def _index(store: Store, index: AuditIndex, batch: list[tuple[Record, str, int]]) -> None:
    if batch:
        with store.transaction() as conn:
            index.add_found(conn, batch)
        batch.clear()


def _refuse_orphans(files: DayFiles, days: list[str]) -> None:
    if any(files.state(day)[1] for day in days):
        raise AuditBroken(
            "there are audit files, but the database has no anchor for them",
            remedy="Restore the database that belongs to this hive (SWARM_DATABASE_URL?), "
            "or move audit/ away as a whole to begin a new chain.",
        )
