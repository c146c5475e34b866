"""The shadow log of a service that runs for days. Owns: which day's visitors emails.json shows."""

from __future__ import annotations

from datetime import date

from guardrails.clock import Clock
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.shadow_log import ShadowLog
from orchestrator.visitors import run_of_day


class DayLog:
    """emails.json follows today's run of visitors; a former day's is kept under its run's name."""

    def __init__(self, hive: Hive, store: Store, clock: Clock) -> None:
        self._hive = hive
        self._store = store
        self._clock = clock
        self._day: date | None = None
        self._log: ShadowLog | None = None

    async def refresh(self) -> None:
        """Bring the file up to date; cheap when nothing has changed lately."""
        now = self._clock()
        if self._log is None or self._day != now.date():
            former = run_of_day(now, Mode.SHADOW) if self._day is None else self._run(self._day)
            self._day = now.date()
            self._log = ShadowLog(self._hive, self._store, run_of_day(now, Mode.SHADOW))
            await self._log.begin(former)
        await self._log.refresh()

    def _run(self, day: date) -> str:
        return f"V-{day:%Y%m%d}-{Mode.SHADOW.value}"
