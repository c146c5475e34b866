"""Single-row writes that SQLite and PostgreSQL spell alike. Owns: insert-if-absent and upsert."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, Table, literal

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(conn: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert the row unless any unique key of it is taken.

    Returns:
        Whether it was inserted. Of concurrent callers exactly one gets True.
    """
    statement = _insert_if_absent(conn.dialect.name, table)
    return conn.execute(statement, dict(values)).first() is not None


def upsert(conn: Connection, table: Table, values: Mapping[str, Any], key: tuple[str, ...]) -> None:
    """Insert the row, or overwrite the other given columns of the one that has the same `key`.

    `key` names the columns of a primary or unique key.
    """
    conn.execute(_upsert(conn.dialect.name, table, tuple(values), key), dict(values))


# Statements are built once: building one costs more than running it.
@lru_cache(maxsize=256)
def _insert_if_absent(dialect: str, table: Table) -> Executable:
    # RETURNING, since psycopg's row count of an INSERT is not kept by SQLAlchemy.
    return _insert(dialect, table).on_conflict_do_nothing().returning(literal(1))


@lru_cache(maxsize=256)
def _upsert(dialect: str, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> Executable:
    statement = _insert(dialect, table)
    rest = {name: statement.excluded[name] for name in names if name not in key}
    if not rest:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(index_elements=list(key), set_=rest)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    # Imported at first use: every process needs one of the two, and starts without the other.
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(table)
