"""Pages. Owns: the opaque cursor, and refusing one that is none of ours."""

from __future__ import annotations

import re

from guardrails.errors import BadInput

_CURSOR = re.compile(r"p([0-9]{1,12})")


def start(cursor: str | None) -> int:
    """Where the page begins; 0 for the first.

    Raises:
        BadInput: not a cursor of this server.
    """
    if cursor is None:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadInput("cursor: not a cursor of this server", remedy="Start without a cursor.")
    return int(found[1])


def following(at: int) -> str:
    """The cursor of a page that begins there."""
    return f"p{at}"
