"""How the memory stands, for whoever asks the database. Owns: one row, written by who drains."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from guardrails.store.fleet_tables import memory_cursors
from guardrails.store.rows import upsert

_NAME = "standing"


@dataclass(frozen=True)
class Standing:
    """What is told of the process that drains.

    Args:
        last_success: when it last sent what waited, or found that nothing does, UTC.
        trouble: why nothing can be sent, and what to do.
        refused: lessons without our hives' seal, in the last look.
        strangers: databases of the project with another salt.
    """

    drains: bool = False
    last_success: str | None = None
    trouble: str | None = None
    refused: int = 0
    strangers: int = 0


def write_standing(conn: Connection, standing: Standing, at: str) -> None:
    """Write it down; `at` is UTC text."""
    row = {"name": _NAME, "position": json.dumps(asdict(standing)), "updated_at": at}
    upsert(conn, memory_cursors, row, ("name",))


def read_standing(conn: Connection) -> tuple[Standing, str | None]:
    """What was written last, and when; an empty one when nothing was, or nobody can read it."""
    query = select(memory_cursors.c.position, memory_cursors.c.updated_at)
    row = conn.execute(query.where(memory_cursors.c.name == _NAME)).first()
    if row is None:
        return Standing(), None
    try:
        return Standing(**json.loads(row.position)), row.updated_at
    except (ValueError, TypeError):
        return Standing(trouble="its standing cannot be read"), row.updated_at
