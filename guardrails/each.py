"""One after the other. Owns: that one whose record does not hold holds up no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from guardrails.errors import AuditBroken

Item = TypeVar("Item")
Done = TypeVar("Done")


async def each(items: Iterable[Item], work: Callable[[Item], Awaitable[Done]]) -> list[Done]:
    """What `work` gives for each of them.

    Raises:
        AuditBroken: one of them or more were broken; `work` was tried on all.
    """
    done: list[Done] = []
    broken: AuditBroken | None = None
    for item in items:
        try:
            done.append(await work(item))
        except AuditBroken as error:
            broken = broken or error
    if broken is not None:
        raise broken
    return done
