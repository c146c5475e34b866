"""One round after another. Owns: looking, judging, telling, and the dead man's switch.

Nothing here waits without bound and nothing that fails ends the monitor: what it cannot see, write
or tell is the next thing it tells. The switch is called only while nothing critical is open and
everybody has been told of the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from guardrails.clock import Clock
from orchestrator.health.bounded import Bounded
from orchestrator.health.incidents import Incident, News, advance, troubled
from orchestrator.health.judge import judge
from orchestrator.health.look import Look
from orchestrator.health.memory import MemoryFile
from orchestrator.health.model import Limits, Severity, Snapshot
from orchestrator.health.outside import Certificate, Outside, Skew
from orchestrator.health.telling import Messenger
from orchestrator.slack.tell import Told

log = structlog.get_logger(__name__)
_SHORTEST_LOOK_S = 15.0


@dataclass(frozen=True)
class Addresses:
    """What is asked outside. None: not configured.

    Args:
        heartbeat: the dead man's switch.
        slack: Slack's address; looked at for its clock when Slack is used at all.
        gateway: the public address whose certificate is watched.
    """

    heartbeat: str | None = None
    slack: str | None = None
    gateway: str | None = None
    uses_slack: bool = False


@dataclass(frozen=True)
class Round:
    """What one round came to.

    Args:
        news: what was new in it.
        told: how telling went; None when there was nothing to tell, or no Slack.
        switch: whether the dead man's switch was heard; None when it was not called.
    """

    seen: Snapshot
    incidents: tuple[Incident, ...]
    news: tuple[News, ...]
    untold: int
    told: Told | None
    switch: bool | None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not any(one.severity is not Severity.NOTICE for one in self.incidents)


class Monitor:
    """Keeps what it remembers in `file`; one at a time on a hive."""

    def __init__(
        self,
        look: Look,
        limits: Limits,
        file: MemoryFile,
        messenger: Messenger,
        outside: Outside,
        addresses: Addresses,
        now: Clock,
    ) -> None:
        self._look = look
        self._limits = limits
        self._file = file
        self._messenger = messenger
        self._outside = outside
        self._addresses = addresses
        self._now = now
        self._looking = Bounded()
        self._memory = file.load()
        self._last: datetime | None = None
        self._skew: Skew | None = None
        self._certificate: Certificate | None = None
        self._clock_asked: datetime | None = None
        self._certificate_asked: datetime | None = None

    def round(self, interval_s: float) -> Round:
        """Look, judge, remember, tell."""
        seen = self._with_outside(self._seen(interval_s))
        judgement = judge(seen, self._limits)
        rules = self._limits.rules
        incidents, news = advance(self._memory.incidents, judgement, seen.now, rules)
        pending = (*self._memory.pending, *news)
        self._remember(incidents=incidents, pending=pending)
        left, told = self._messenger.deliver(pending)
        self._remember(pending=left)
        untold = sum(not one.told for one in left)
        return Round(
            seen=seen,
            incidents=tuple(incidents.values()),
            news=tuple(news),
            untold=untold,
            told=told,
            switch=self._call_switch(incidents, untold),
        )

    def _seen(self, interval_s: float) -> Snapshot:
        rules = self._limits.rules
        now = self._now()
        longest = timedelta(seconds=2 * interval_s + rules.silent_after_s + _SHORTEST_LOOK_S)
        slept = self._last is not None and now - self._last > longest
        self._last = now
        wait = max(_SHORTEST_LOOK_S, interval_s)
        memory = self._memory
        try:
            seen, self._memory = self._looking.run(lambda: self._look.take(memory), wait)
        except TimeoutError:
            seen = self._look.unanswered(wait)
        except Exception as error:  # a defect in looking must not end the watch
            log.exception("look_failed")
            seen = self._look.unanswered(wait).with_(why={"database": type(error).__name__})
        return seen.with_(slept=slept)

    def _with_outside(self, seen: Snapshot) -> Snapshot:
        rules, there = self._limits.rules, self._addresses
        off = self._skew is not None and abs(self._skew.seconds) > rules.clock_skew_s
        every = 0.0 if off else rules.clock_check_minutes  # until it is right again
        if there.uses_slack and _due(self._clock_asked, seen.now, every):
            self._clock_asked = seen.now
            self._skew = self._outside.slack_clock(there.slack) or self._skew
        if there.gateway and _due(
            self._certificate_asked, seen.now, rules.certificate_check_minutes
        ):
            self._certificate_asked = seen.now
            self._certificate = self._outside.certificate(there.gateway) or self._certificate
        if self._skew is not None and seen.skew_s is None:
            seen = seen.with_(skew_s=self._skew.seconds, skew_of=self._skew.whose)
        if self._certificate is not None:
            seen = seen.with_(
                certificate_ends=self._certificate.ends,
                certificate_problem=self._certificate.problem,
            )
        return seen

    def _call_switch(self, incidents: dict[str, Incident], untold: int) -> bool | None:
        if self._addresses.heartbeat is None or untold:
            return None
        if any(one.severity is Severity.CRITICAL for one in troubled(incidents)):
            return None
        heard, skew = self._outside.still_alive(self._addresses.heartbeat)
        self._skew = skew or self._skew
        return heard

    def _remember(self, **changes: object) -> None:
        self._memory = self._file.save(self._memory.model_copy(update=changes))


def keep_watch(
    monitor: Monitor, interval_s: float, stop: threading.Event, shown: Callable[[Round], None]
) -> None:
    """Rounds until `stop` is set; a round that was late does not make the next ones hurry."""
    due = time.monotonic()
    while not stop.is_set():
        try:
            shown(monitor.round(interval_s))
        except Exception:  # the watch goes on, whatever it was
            log.exception("round_failed")
        due = max(due + interval_s, time.monotonic())
        stop.wait(max(0.0, due - time.monotonic()))


def _due(last: datetime | None, now: datetime, minutes: float) -> bool:
    return last is None or now - last >= timedelta(minutes=minutes)
