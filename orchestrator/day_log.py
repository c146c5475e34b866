"""The shadow log of a service that runs for days. Owns: which day's people emails.json shows."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from guardrails.clock import Clock
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.store.tables import runs
from orchestrator.shadow_log import ShadowLog
from orchestrator.visitors import SUBMITTED, run_of_day


class DayLog:
    """emails.json follows today's run of visitors and today's submissions; a former day's is kept
    under the name of its visitors' run."""

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
            self._log = ShadowLog(
                self._hive, self._store, run_of_day(now, Mode.SHADOW), self._of_day
            )
            await self._log.begin(former)
        await self._log.refresh()

    def _run(self, day: date) -> str:
        return f"V-{day:%Y%m%d}-{Mode.SHADOW.value}"

    def _of_day(self, run_id: str) -> list[str]:
        """The visitors' run of a day, and the runs of what was submitted on it."""
        day = run_id.split("-")[1]
        submitted = (
            select(runs.c.run_id)
            .where(
                runs.c.run_key.startswith(SUBMITTED, autoescape=True),
                runs.c.mode == Mode.SHADOW.value,
                runs.c.created_at.startswith(f"{day[:4]}-{day[4:6]}-{day[6:]}", autoescape=True),
            )
            .order_by(runs.c.created_at, runs.c.run_id)
        )
        with self._store.read() as conn:
            return [run_id, *conn.execute(submitted).scalars()]
