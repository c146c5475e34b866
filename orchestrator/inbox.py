"""What came in from outside, in the database. Owns: each delivery once, and how far it has got.

A delivery is stored before it is answered; whoever works on it comes later. Its id is what makes
two deliveries the same. Work is at least once: settle a row with `settle` in the transaction that
holds its effect, or make the effect idempotent by the row's id. Refuses to forget: what cannot be
understood stays as junk, what fails again and again stays as failed, and both are shown.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

from sqlalchemy import Connection, func, or_, select, update

from guardrails.clock import Clock, iso, parse
from guardrails.errors import BadInput, NotFound
from guardrails.store import Store, insert_if_absent
from guardrails.store.people_tables import inbox as table
from orchestrator.inbox_state import InboxState

MAX_ATTEMPTS = 10  # with the pauses below: about three quarters of an hour
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5, 3600
_NOTE = 500


class Source(StrEnum):
    """Where a delivery comes from."""

    RB2B = "rb2b"  # a visitor of the website
    INSTANTLY = "instantly"  # what became of an e-mail
    GHL = "ghl"  # what happened in the CRM
    EDIT = "edit"  # a person's new text for a draft
    UNSUBSCRIBE = "unsubscribe"  # a person who wants no more e-mail; suppressed already
    SUBMISSION = "submission"  # leads that an MCP client hands in


@dataclass(frozen=True)
class Received:
    """One delivery. `body` is the text as it came; None once it was erased."""

    id: str
    source: Source
    kind: str
    body: str | None
    received_at: datetime
    attempts: int

    def document(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            BadInput: it is none.
        """
        return document_of(self.body or "")


def document_of(body: str) -> dict[str, Any]:
    """The JSON object in `body`, without NUL characters and lone surrogates.

    JavaScript that cuts a text in the middle of an emoji sends the latter; they read `?` here.

    Raises:
        BadInput: it is no JSON object.
    """
    try:
        whole = _clean(json.loads(body.removeprefix("\ufeff"), parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON") from error
    if not isinstance(whole, dict):
        raise BadInput("the body is JSON, but not an object")
    return whole


def store(
    conn: Connection,
    id: str,
    source: Source,
    kind: str,
    body: str,
    at: datetime,
    *,
    junk: str | None = None,
    lead_id: str | None = None,
) -> bool:
    """Store a delivery inside the caller's transaction, unless its id is known.

    Args:
        id: at most 80 characters.
        kind: of the source, e.g. `visitor`; cut at 40 characters.
        junk: why it is junk, when it is.

    Returns:
        Whether it is new.
    """
    row = {
        "id": id,
        "source": source.value,
        "kind": kind[:40],
        "state": (InboxState.NEW if junk is None else InboxState.JUNK).value,
        "body": _storable(body),
        "lead_id": lead_id,
        "attempts": 0,
        "not_before": None,
        "note": None if junk is None else junk[:_NOTE],
        "received_at": iso(at),
        "updated_at": iso(at),
    }
    return insert_if_absent(conn, table, row)


def settle(
    conn: Connection,
    id: str,
    at: datetime,
    *,
    state: InboxState = InboxState.DONE,
    lead_id: str | None = None,
    note: str | None = None,
) -> bool:
    """End a row inside the caller's transaction. False: somebody else has ended it before."""
    values = {
        "state": state.value,
        "not_before": None,
        "note": note and note[:_NOTE],
        "updated_at": iso(at),
    }
    if lead_id is not None:
        values["lead_id"] = lead_id
    unfinished = (table.c.id == id, table.c.state == InboxState.NEW.value)
    return conn.execute(update(table).where(*unfinished).values(values)).rowcount == 1


def again(conn: Connection, id: str, at: datetime) -> bool:
    """Work on junk or a failed one anew, as a person wants, inside the caller's transaction.

    It is for whoever comes first: who had it in hand may have left it for another to do.

    Returns:
        Whether there was such a one.
    """
    values = {"state": InboxState.NEW.value, "attempts": 0, "not_before": None, "note": None}
    values |= {"claimed_by": None, "updated_at": iso(at)}
    ended = table.c.state.in_((InboxState.JUNK.value, InboxState.FAILED.value))
    statement = update(table).where(table.c.id == id, ended)
    return conn.execute(statement.values(values)).rowcount == 1


class Inbox:
    """Every method is one short transaction and raises StoreUnavailable when it fails."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def next_batch(
        self, limit: int, sources: Collection[Source] = tuple(Source)
    ) -> list[Received]:
        """What can be worked on now, oldest first, at most `limit`."""
        statement = (
            select(table)
            .where(
                table.c.state == InboxState.NEW.value,
                table.c.source.in_([source.value for source in sources]),
                or_(table.c.not_before.is_(None), table.c.not_before <= iso(self._clock())),
            )
            .order_by(table.c.received_at)
            .limit(limit)
        )
        rows = await self._store.query(lambda conn: conn.execute(statement).all())
        return [received(row) for row in rows]

    async def done(self, id: str, *, lead_id: str | None = None, note: str | None = None) -> None:
        """It is done."""
        at = self._clock()
        await self._store.run(lambda conn: settle(conn, id, at, lead_id=lead_id, note=note))

    async def junk(self, id: str, note: str) -> None:
        """It is nothing that we understand, and `note` says why (no addresses)."""
        at = self._clock()
        await self._store.run(lambda conn: settle(conn, id, at, state=InboxState.JUNK, note=note))

    async def fail(self, id: str, note: str) -> InboxState:
        """An attempt failed: again after a pause that doubles, and at last a person's.

        Raises:
            NotFound: no such row.
        """
        at = self._clock()
        return await self._store.run(lambda conn: _fail(conn, id, note, at))

    async def again(self, id: str) -> bool:
        """See `again`."""
        at = self._clock()
        return await self._store.run(lambda conn: again(conn, id, at))

    async def depths(self) -> dict[tuple[str, str], int]:
        """How many of each (source, state) are not done. What is done costs nothing here."""
        open_ = [state.value for state in InboxState if state is not InboxState.DONE]
        statement = (
            select(table.c.source, table.c.state, func.count())
            .where(table.c.state.in_(open_))
            .group_by(table.c.source, table.c.state)
        )
        found = await self._store.query(lambda conn: conn.execute(statement).all())
        return {(source, state): number for source, state, number in found}


def pause_after(attempts: int) -> timedelta:
    """How long a delivery rests after so many failed attempts (1 or more)."""
    return timedelta(seconds=min(_FIRST_PAUSE_S * 2 ** (attempts - 1), _LONGEST_PAUSE_S))


def _fail(conn: Connection, id: str, note: str, at: datetime) -> InboxState:
    here = table.c.id == id
    held = select(table.c.state, table.c.attempts).where(here).with_for_update()
    row = conn.execute(held).one_or_none()
    if row is None:
        raise NotFound(f"nothing came in under {id!r}")
    if row.state != InboxState.NEW.value:
        return InboxState(row.state)  # ended by somebody else meanwhile
    attempts = row.attempts + 1
    state = InboxState.FAILED if attempts >= MAX_ATTEMPTS else InboxState.NEW
    values = {
        "state": state.value,
        "attempts": attempts,
        "not_before": iso(at + pause_after(attempts)) if state is InboxState.NEW else None,
        "note": note[:_NOTE],
        "updated_at": iso(at),
    }
    conn.execute(update(table).where(here).values(values))
    return state


def received(row: Any) -> Received:
    """A row of the table as it came."""
    return Received(
        id=row.id,
        source=Source(row.source),
        kind=row.kind,
        body=row.body,
        received_at=parse(row.received_at),
        attempts=row.attempts,
    )


def _storable(text: str) -> str:
    """`text` without what a database refuses: NUL characters and lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\\x00")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
