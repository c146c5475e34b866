"""The audit's chain, round by round. Owns: how much of it is checked each time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from guardrails.audit import AuditHead
from guardrails.audit.anchors import heads_of_others, rewritten
from guardrails.audit.follow import BEGINNING, ChainFollower, Checked, Progress
from guardrails.store import Store
from orchestrator.health.memory import ChainPlace, Memory

_TAIL, _WALK = 50_000, 5_000  # records checked in one round


def check_chain(
    follower: ChainFollower, memory: Memory, now: datetime, full_every: timedelta
) -> tuple[Memory, str | None]:
    """Check what is new, and a piece of the whole chain when its walk is due.

    Raises:
        StoreUnavailable: the anchor cannot be read.
    """
    start = _checked(memory.tail) if memory.tail else follower.sealed()
    tail = follower.follow(start, _TAIL)
    changes: dict[str, Any] = {"tail": _place(tail.checked)}
    walk, due = memory.walk, memory.walked_at is None or now - memory.walked_at >= full_every
    whole: Progress | None = None
    if walk is not None or due:
        whole = follower.follow(_checked(walk) if walk else BEGINNING, _WALK)
        changes["walk"] = None if whole.done else _place(whole.checked)
        if whole.done:
            changes["walked_at"] = now
    problem = tail.problem or (whole.problem if whole else None)
    return memory.model_copy(update=changes), problem


def check_others(store: Store, own: str, memory: Memory) -> tuple[Memory, str | None]:
    """Whether the other machines' chains still hold what was seen of them; what stands there now
    is remembered for the next round. A chain that was rewritten is remembered as it was.

    Raises:
        StoreUnavailable: they cannot be read.
    """
    seen = {chain: AuditHead(place.seq, place.hash) for chain, place in memory.others.items()}
    with store.read() as conn:
        problem = rewritten(conn, seen)
        now = heads_of_others(conn, own)
    if problem is not None:
        return memory, problem
    places = {chain: ChainPlace(seq=head.seq, hash=head.hash) for chain, head in now.items()}
    return memory.model_copy(update={"others": places}), None


def _checked(place: ChainPlace) -> Checked:
    return Checked(place.day, place.offset, place.seq, place.hash)


def _place(checked: Checked) -> ChainPlace:
    return ChainPlace(day=checked.day, offset=checked.offset, seq=checked.seq, hash=checked.hash)
