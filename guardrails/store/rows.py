"""Single-row writes that SQLite and PostgreSQL spell alike. Owns: insert-if-absent and upsert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, literal
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(conn: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert the row unless any unique key of it is taken.

    Returns:
        Whether it was inserted. Of concurrent callers exactly one gets True.
    """
    # RETURNING, since psycopg's row count of an INSERT is not kept by SQLAlchemy.
    statement = _insert(conn, table).values(dict(values)).on_conflict_do_nothing()
    return conn.execute(statement.returning(literal(1))).first() is not None


def upsert(conn: Connection, table: Table, values: Mapping[str, Any], key: tuple[str, ...]) -> None:
    """Insert the row, or overwrite the other columns of the one that has the same `key`.

    `key` names the columns of a primary or unique key.
    """
    statement = _insert(conn, table).values(dict(values))
    rest = {name: statement.excluded[name] for name in values if name not in key}
    if not rest:
        conn.execute(statement.on_conflict_do_nothing(index_elements=list(key)))
        return
    conn.execute(statement.on_conflict_do_update(index_elements=list(key), set_=rest))


def _insert(conn: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
