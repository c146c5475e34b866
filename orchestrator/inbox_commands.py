"""What `swarm inbox` does. Owns: showing what came in and is not done, and taking it up anew.

The list names nobody; a body, which does, is shown only by `show`, to who asks for that one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from guardrails.clock import utc_now
from guardrails.errors import NotFound
from guardrails.store import Store
from guardrails.store.people_tables import inbox as table
from orchestrator.commands import opened
from orchestrator.inbox import Inbox
from orchestrator.inbox_state import InboxState
from orchestrator.report import console

Json = dict[str, Any]
_LISTED = ("id", "source", "kind", "state", "attempts", "not_before", "note", "received_at")


def show_inbox(path: Path, state: InboxState | None, limit: int, *, as_json: bool) -> int:
    """List deliveries, the latest first; those that are not done when no state is given.

    1 when something needs a person, whether it is among those shown or not.
    """
    asked = [state] if state else [one for one in InboxState if one is not InboxState.DONE]
    here = table.c.state.in_([one.value for one in asked])
    with opened(path) as (_, store), store.read() as conn:
        rows, counts = _rows(conn, here, limit), _counts(conn, here)
    if as_json:
        document = {"deliveries": rows, "counts": counts}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        _print(rows, counts)
    return int(any(counts.get(one.value) for one in (InboxState.JUNK, InboxState.FAILED)))


def show_delivery(path: Path, id: str, *, as_json: bool) -> int:
    """One delivery with its body. Raises NotFound."""
    with opened(path) as (_, store):
        row = _require(store, id)
    if as_json:
        sys.stdout.write(json.dumps(dict(row), ensure_ascii=False) + "\n")
        return 0
    out = console()
    for name in (*_LISTED, "lead_id"):
        if row[name] is not None:
            out.print(f"{name:12} {row[name]}")
    out.print("", row["body"] if row["body"] is not None else "(erased)", sep="\n")
    return 0


def _require(store: Store, id: str) -> RowMapping:
    with store.read() as conn:
        row = conn.execute(select(table).where(table.c.id == id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"nothing came in under {id!r}", remedy="`swarm inbox list` shows the ids.")
    return row


def take_up(path: Path, ids: list[str], *, as_json: bool) -> int:
    """Have junk and failed ones worked on anew; 1 when one of them was neither. Raises NotFound."""
    with opened(path) as (_, store):
        inbox = Inbox(store, utc_now)
        for id in ids:
            _require(store, id)

        async def work() -> dict[str, bool]:
            return {id: await inbox.again(id) for id in ids}

        done = asyncio.run(work())
    if as_json:
        sys.stdout.write(json.dumps({"taken_up": done}) + "\n")
    else:
        for id, taken in done.items():
            said = "is worked on anew" if taken else "is neither junk nor failed: left as it is"
            console().print(f"{id} {said}")
    return 0 if all(done.values()) else 1


def _counts(conn: Connection, here: ColumnElement[bool]) -> dict[str, int]:
    statement = (
        select(table.c.state, func.count().label("number")).where(here).group_by(table.c.state)
    )
    return {row.state: row.number for row in conn.execute(statement)}


def _rows(conn: Connection, here: ColumnElement[bool], limit: int) -> list[Json]:
    statement = (
        select(*(table.c[name] for name in _LISTED))
        .where(here)
        .order_by(table.c.received_at.desc())
        .limit(limit)
    )
    return [dict(row) for row in conn.execute(statement).mappings()]


def _print(rows: list[Json], counts: dict[str, int]) -> None:
    # Lines and no table: an id that is broken in two cannot be copied.
    for row in rows:
        again = f" (tried {row['attempts']} times)" if row["attempts"] else ""
        note = f"{row['note'] or ''}{again}".strip()
        received = row["received_at"][:19].replace("T", " ")
        line = f"{received}  {row['state']:6}  {row['id']}  {row['kind']}  {note}".rstrip()
        console().print(line)
    if not rows:
        console().print("Nothing waits.")
    elif (total := sum(counts.values())) > len(rows):
        told = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
        console().print(f"{total} in all ({told}): --limit {total} lists them.")
