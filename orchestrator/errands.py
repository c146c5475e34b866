"""What the queen does now and then. Owns: how often, and that one that fails stops no other.

What is to be done once for all hives of a database is a duty: one queen holds it, and the others
look on until she falls silent.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from guardrails.errors import BankUnreadable, StoreUnavailable, SwarmError

log = structlog.get_logger(__name__)
Holds = Callable[[str, float], Awaitable[bool]]
_DUTY_S = 30.0  # at least: then another takes it over from one who fell silent


@dataclass
class Errand:
    """One thing to be done every so many seconds.

    Args:
        work: idempotent; may run in another process at the same time.
        alone: one queen does it for all; else each does it for her own hive.
    """

    name: str
    every_s: float
    work: Callable[[], Awaitable[object]]
    alone: bool = False
    due_at: float = field(default=0.0)


class Errands:
    """Runs what is due, one after the other.

    Args:
        holds: whether a duty is ours for so many seconds; None where there is only one queen.
    """

    def __init__(
        self,
        errands: Sequence[Errand],
        monotonic: Callable[[], float] = time.monotonic,
        holds: Holds | None = None,
    ) -> None:
        self._errands = list(errands)
        self._monotonic = monotonic
        self._holds = holds

    async def run(self) -> None:
        """Whatever is due.

        Raises:
            StoreUnavailable, BankUnreadable: nobody can work now; the others were tried as well.
        """
        for_all: SwarmError | None = None
        for errand in self._errands:
            now = self._monotonic()
            if now < errand.due_at:
                continue
            errand.due_at = now + errand.every_s
            try:
                if await self._is_ours(errand):
                    await errand.work()
            except (StoreUnavailable, BankUnreadable) as error:
                for_all = for_all or error
            except SwarmError as error:
                log.error("errand_failed", errand=errand.name, code=error.code, why=error.message)
            except Exception:  # a defect in one: the others and the leads go on
                log.exception("errand_failed", errand=errand.name)
        if for_all is not None:
            raise for_all

    async def _is_ours(self, errand: Errand) -> bool:
        if not errand.alone or self._holds is None:
            return True
        return await self._holds(errand.name, max(_DUTY_S, 2 * errand.every_s))
