"""Which lessons a hive's bank is marked to hold. Owns: taking back the marks of what it lost.

A torn bank is put back from its backup, as the error says: that is the version before, and what was
folded since is marked and not there. Refuses to trust a mark more than the bank itself.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from guardrails.store.fleet_tables import lesson_folds as folds

_PIECE = 500


def take_back(conn: Connection, chain: str, held: Collection[str]) -> int:
    """Unmark what the bank of the hive with this audit chain does not hold; gives how many.

    Args:
        held: event ids of everything in the bank.
    """
    marked = conn.execute(select(folds.c.event_id).where(folds.c.chain == chain)).scalars()
    lost = [event_id for event_id in marked if event_id not in held]
    for start in range(0, len(lost), _PIECE):
        piece = folds.c.event_id.in_(lost[start : start + _PIECE])
        conn.execute(delete(folds).where(folds.c.chain == chain, piece))
    return len(lost)
