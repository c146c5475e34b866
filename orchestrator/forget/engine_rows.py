"""The durable engine's memory of a person. Owns: emptying the checkpoints of ended workflows.

A checkpoint is only read when its workflow goes on after a crash; one that has ended never does.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, text

ENGINE_SCHEMA = "dbos"  # on PostgreSQL; SQLite has none
_ENDED = "('SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"
_TABLES = {"operation_outputs": "output", "workflow_output": "output"}


def erase_checkpoints(conn: Connection, beginnings: Sequence[str]) -> int:
    """Empty what the workflows under these names kept; gives how many rows.

    Args:
        beginnings: a workflow's name, which is followed by nothing or by a colon.
    """
    schema = None if conn.dialect.name == "sqlite" else ENGINE_SCHEMA
    if not inspect(conn).has_table("workflow_status", schema=schema):
        return 0  # no engine ever ran here
    before = f"{schema}." if schema else ""
    emptied = 0
    for table, column in _TABLES.items():
        if not inspect(conn).has_table(table, schema=schema):
            continue
        statement = text(
            f"UPDATE {before}{table} SET {column} = NULL WHERE {column} IS NOT NULL "  # noqa: S608
            "AND (workflow_uuid = :name OR workflow_uuid LIKE :longer) AND workflow_uuid IN "
            f"(SELECT workflow_uuid FROM {before}workflow_status WHERE status IN {_ENDED})"
        )
        for name in beginnings:
            asked = {"name": name, "longer": f"{name}:%"}
            emptied += conn.execute(statement, asked).rowcount
    return emptied
