"""The database's own clock. Owns: an instant as the database sees it, in our one text form.

Machines that share a database need not agree on the time for what they decide by it: leases, and
who does scheduled work.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal


class db_moment(ColumnElement[str]):  # noqa: N801 - reads as an SQL function
    """`seconds` from now by the database's clock, as `clock.iso` writes it."""

    # Cached by its seconds, of which there are few: building a statement costs more than asking.
    inherit_cache = True
    _traverse_internals = [("seconds", InternalTraversal.dp_plain_obj)]  # noqa: RUF012
    type = Text()

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = float(seconds)


@compiles(db_moment, "sqlite")
def _on_sqlite(element: db_moment, _compiler: SQLCompiler, **_: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%f', 'now', '{element.seconds:+.3f} seconds') || '000Z'"


@compiles(db_moment, "postgresql")
def _on_postgresql(element: db_moment, _compiler: SQLCompiler, **_: Any) -> str:
    at = f"clock_timestamp() + interval '{element.seconds:.3f} seconds'"
    # A colon would be read as a bound parameter's beginning if this were plain text; it is not.
    return f"to_char(({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def database_now(conn: Connection) -> str:
    """The instant by the database's clock, as UTC text."""
    now: str = conn.execute(select(db_moment())).scalar_one()
    return now
