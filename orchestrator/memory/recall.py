"""What is known of a person, asked for a decision that waits. Owns: a short time limit, and reading
an answer that may be false.

Refuses to fail: silence, slowness and nonsense are all "it did not answer", with the reason. Only
hashes leave this process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from guardrails.bank.models import Instant
from guardrails.errors import SwarmError
from guardrails.gathering import hashes_of
from guardrails.model import RecalledLead, RecalledOutcome, RecalledTouch, Recollection
from orchestrator.memory.contract import LookUpHistory
from orchestrator.memory.rows import Sender

WITHIN_S = 1.2
MOST = 200
_KEPT = 20
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class History(Protocol):
    """What answers: `MemoryWire`."""

    async def history(
        self, who: Sequence[str], *, sandbox: bool, limit: int, within_s: float
    ) -> list[dict[str, Any]]:
        """See `MemoryWire`."""


class _Row(BaseModel):
    """One row of the project's view."""

    model_config = ConfigDict(extra="ignore", strict=False)

    who: str
    what: str
    at: Instant
    kind: str | None
    detail: str | None
    mode: str | None
    origin: str
    sandbox: bool


async def recall(memory: History, sender: Sender, asked: LookUpHistory) -> Recollection:
    """What the memory knows of them. Never raises for what the memory does."""
    names = [name for name in (asked.email, asked.domain) if name]
    who = sorted(hashes_of(names, sender.salt))
    who += [asked.lead_id] if asked.lead_id else []
    if not who:
        return Recollection(answered=True)
    try:
        rows = await memory.history(who, sandbox=sender.sandbox, limit=MOST, within_s=WITHIN_S)
    except SwarmError as error:
        return Recollection(answered=False, why=error.message)
    readable = [row for row in map(_readable, rows) if row is not None]
    found = _read(readable, set(who), sender)
    if len(readable) < len(rows) and found == Recollection(answered=True):
        return Recollection(answered=False, why="its answer has another form than it should")
    return found  # a row that somebody broke hides none of the others


def _readable(row: Mapping[str, Any]) -> _Row | None:
    try:
        return _Row.model_validate(row)
    except ValidationError:
        return None


def _read(rows: Sequence[_Row], who: set[str], sender: Sender) -> Recollection:
    mine = [row for row in rows if row.who in who and row.sandbox is sender.sandbox]
    suppressed = next((row for row in mine if row.what == "suppression"), None)
    return Recollection(
        answered=True,
        suppressed=_code(suppressed.kind) or "unknown reason" if suppressed else None,
        outcomes=tuple(_outcomes(_of("outcome", mine)))[:_KEPT],
        touches=tuple(
            RecalledTouch(at=row.at, elsewhere=row.origin != sender.origin)
            for row in _of("touch", mine)
        )[:_KEPT],
        leads=tuple(
            RecalledLead(state=state, mode=_code(row.mode), at=row.at)
            for row in _of("lead", mine)
            if (state := _code(row.kind)) is not None
        )[:_KEPT],
    )


def _of(what: str, rows: Sequence[_Row]) -> list[_Row]:
    found = [row for row in rows if row.what == what]
    return sorted(found, key=lambda row: (row.at, row.kind or ""), reverse=True)


def _outcomes(rows: Sequence[_Row]) -> Iterator[RecalledOutcome]:
    """One of each kind first, so that no number of others hides a complaint."""
    first: dict[str, _Row] = {}
    for row in rows:
        if (kind := _code(row.kind)) is not None:
            first.setdefault(kind, row)
    rest = [row for row in rows if row not in first.values()]
    for row in (*first.values(), *rest):
        if (kind := _code(row.kind)) is not None:
            yield RecalledOutcome(kind=kind, reply_class=_code(row.detail), at=row.at)


def _code(text: str | None) -> str | None:
    """A code of ours; whatever else stands there is nobody's word."""
    return text if text is not None and _CODE.fullmatch(text) else None
