"""Copying our tables from one database to another. Owns: every row, and the proof that it arrived.

Rows stream: few are in memory at a time. A table's digest is the sum of its rows' digests, so that
it depends on no order, which two databases need not share. What PostgreSQL would not take is named
before it refuses it. The engine's tables are not ours to copy: the rows say what is still to be
done (docs/adr/0022).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, String, Table, delete, insert, select

from guardrails.audit.files import DayFiles
from guardrails.audit.records import opened
from guardrails.errors import AuditBroken, Refused
from guardrails.hive import Hive
from guardrails.model import canonical_json
from guardrails.store import brake_tables, fleet_tables, people_tables, tables, write_tables

_AT_ONCE = 500  # rows
_SUM = 2**256
# Each of these modules adds its tables to the one description.
_MODULES = (brake_tables, fleet_tables, people_tables, tables, write_tables)
METADATA = _MODULES[0].metadata
Row = dict[str, Any]


@dataclass(frozen=True)
class Counted:
    """A table's rows: how many, and what they are together (64 hex digits)."""

    table: str
    rows: int
    digest: str


def our_tables() -> list[Table]:
    """All that is copied. The salt's check is not: the new database gets the hive's own."""
    return [table for table in METADATA.sorted_tables if table.name != "fleet"]


def copy(hive: Hive, old: Connection, new: Connection, table: Table) -> Counted:
    """Copy one table into the new database, whatever it held; gives what was sent.

    Raises:
        Refused: a row holds what PostgreSQL does not take.
        AuditBroken: the files do not hold the record of an index row.
    """
    new.execute(delete(table))
    count, total = 0, 0
    rows = source_rows(hive, old, table)
    while batch := list(islice(rows, _AT_ONCE)):
        for row in batch:
            _require_fit(table, row)
        new.execute(insert(table), batch)
        count, total = count + len(batch), (total + _sum(batch)) % _SUM
    return Counted(table.name, count, f"{total:064x}")


def counted(table: Table, rows: Iterable[Row]) -> Counted:
    """What these rows of a table are together."""
    count, total = 0, 0
    stream = iter(rows)
    while batch := list(islice(stream, _AT_ONCE)):
        count, total = count + len(batch), (total + _sum(batch)) % _SUM
    return Counted(table.name, count, f"{total:064x}")


def stored_rows(conn: Connection, table: Table) -> Iterator[Row]:
    """The rows of a table as they are, by its key."""
    keys = table.primary_key.columns
    statement = select(table).order_by(*keys).execution_options(yield_per=_AT_ONCE)
    with conn.execute(statement) as rows:
        for row in rows.mappings():
            yield dict(row)


def source_rows(hive: Hive, conn: Connection, table: Table) -> Iterator[Row]:
    """The same as they are to stand in the new database: the audit's index with its lines."""
    rows = stored_rows(conn, table)
    return _with_lines(hive, rows) if table.name == "audit_index" else rows


def _with_lines(hive: Hive, rows: Iterator[Row]) -> Iterator[Row]:
    files, chain = DayFiles(hive.audit_dir), hive.chain_id()
    lines = (line for day in files.days() for line in files.lines(day))
    for row in rows:  # by chain and number: ours in the order of the files
        if row["chain"] == chain:
            try:
                line = next(lines, None)
                record = opened(line.content) if line else None
            except (OSError, ValueError) as error:
                raise AuditBroken(f"record {row['seq']} cannot be read: {error}") from error
            if line is None or record is None or record["hash"] != row["hash"]:
                raise AuditBroken(f"the files do not hold record {row['seq']} of the index")
            row["line"] = line.content.decode()
        yield row


def _sum(rows: Iterable[Row]) -> int:
    return sum(int.from_bytes(hashlib.sha256(canonical_json(row)).digest()) for row in rows)


def _require_fit(table: Table, row: Row) -> None:
    """SQLite takes texts of any length and NUL characters."""
    for column in table.columns:
        value = row[column.name]
        if not isinstance(value, str):
            continue
        longest = column.type.length if isinstance(column.type, String) else None
        if "\0" in value or len(value) > (longest or len(value)):
            key = ", ".join(str(row[name.name]) for name in table.primary_key.columns)
            raise Refused(
                f"{table.name} ({key}): PostgreSQL does not take its {column.name}",
                remedy=f"It may have {longest} characters and no NUL. Mend that row and begin "
                "again: nothing was changed.",
            )
