"""Records' lines in the database, after the fact. Owns: filling in what other machines must read.

New records bring their line (`index.py`). Older ones, from before machines shared this database,
are filled in by the hive whose files hold them.
"""

from __future__ import annotations

from sqlalchemy import select, update

from guardrails.audit.files import DayFiles
from guardrails.audit.records import opened
from guardrails.errors import AuditBroken
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import audit_index


def fill_lines(hive: Hive, store: Store, limit: int = 500) -> int:
    """Fill in at most `limit` lines of this hive's chain; gives how many.

    Nothing on SQLite, where whoever opens the database reads the files too.

    Raises:
        AuditBroken: a record in the files is not the indexed one.
        StoreUnavailable: the database cannot be read or written.
    """
    if store.dialect == "sqlite":
        return 0
    mine = (audit_index.c.chain == hive.chain_id(), audit_index.c.line.is_(None))
    place = select(audit_index.c.seq, audit_index.c.day, audit_index.c.offset, audit_index.c.hash)
    with store.read() as conn:
        rows = conn.execute(place.where(*mine).order_by(audit_index.c.seq).limit(limit)).all()
    files = DayFiles(hive.audit_dir)
    found = {row.seq: indexed_line(files, row.day, row.offset, row.hash) for row in rows}
    with store.transaction() as conn:
        for seq, line in found.items():
            here = update(audit_index).where(*mine, audit_index.c.seq == seq)
            conn.execute(here.values(line=line))
    return len(found)


def indexed_line(files: DayFiles, day: str, offset: int, digest: str) -> str:
    """The line that stands there, when it is the record with that hash.

    Raises:
        AuditBroken: it is not, or cannot be read.
    """
    try:
        line = files.line_at(day, offset)
        record = opened(line)
    except (OSError, ValueError) as error:
        raise AuditBroken(f"{day}: a record cannot be read back: {error}") from error
    if record["hash"] != digest:
        raise AuditBroken(f"{day}: record {record['seq']} is not the one that was indexed")
    return line.decode()
