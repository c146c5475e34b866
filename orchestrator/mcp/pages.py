"""Pages. Owns: the opaque cursor, and refusing one that is none of ours."""

from __future__ import annotations

import re
from datetime import datetime

from guardrails.clock import iso
from guardrails.errors import BadInput

_CURSOR = re.compile(r"p([0-9]{1,12})")
_AFTER = re.compile(r"a([0-9:.T-]{26}Z)([A-Z]+-[0-9a-f]{1,40})")


def start(cursor: str | None) -> int:
    """Where the page begins; 0 for the first.

    Raises:
        BadInput: not a cursor of this server.
    """
    return int(_read(_CURSOR, cursor)[1]) if cursor is not None else 0


def begins_after(cursor: str | None) -> tuple[str, str] | None:
    """After what the page begins, where what comes before may go meanwhile: its moment (UTC text)
    and id; None for the first.

    Raises:
        BadInput: not a cursor of this server.
    """
    if cursor is None:
        return None
    found = _read(_AFTER, cursor)
    return found[1], found[2]


def following(at: int) -> str:
    """The cursor of a page that begins there."""
    return f"p{at}"


def after(moment: datetime, id: str) -> str:
    """The cursor of a page that begins after this one."""
    return f"a{iso(moment)}{id}"


def _read(form: re.Pattern[str], cursor: str) -> re.Match[str]:
    found = form.fullmatch(cursor)
    if found is None:
        raise BadInput("cursor: not a cursor of this server", remedy="Start without a cursor.")
    return found
