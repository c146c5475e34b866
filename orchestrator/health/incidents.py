"""From findings to alerts. Owns: one alert an incident, telling it again, and the word that it is
over.

Pure: open incidents, a judgement and the time in; open incidents and news out. An incident whose
check could not look stays as it is. It is over after several good rounds in a row, so that what
flaps is one incident. A warning that lasts becomes critical.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from guardrails.config.models.monitor import MonitorRules
from guardrails.model import Frozen
from orchestrator.health.judge import Judgement
from orchestrator.health.model import Finding, Severity

NewsKind = Literal[
    "alert",  # it has begun
    "worse",  # more severe than it was told
    "still",  # it goes on
    "recovered",  # it is over
    "notice",  # nothing is wrong; worth knowing
]


class Incident(Frozen):
    """One that is open. `tellings` is one more than the moments for telling it again that had come
    when it was told last; `good` its good rounds in a row.
    """

    key: str
    severity: Severity
    what: str
    do: str
    since: datetime
    opened_at: datetime
    escalates: bool = True
    tellings: int = 1
    good: int = 0

    def open_minutes(self, now: datetime) -> float:
        """For how long it has been open."""
        return (now - self.opened_at).total_seconds() / 60


class News(Frozen):
    """Something to tell. `logged`: it stands in the local file; `told`: Slack has taken it."""

    kind: NewsKind
    at: datetime
    incident: Incident
    logged: bool = False
    told: bool = False


Open = Mapping[str, Incident]


def advance(
    incidents: Open, judgement: Judgement, now: datetime, rules: MonitorRules
) -> tuple[dict[str, Incident], list[News]]:
    """One round."""
    found = {finding.key: finding for finding in judgement.findings}
    after: dict[str, Incident] = {}
    news: list[News] = []
    for finding in found.values():
        before = incidents.get(finding.key)
        incident, said = (
            _begun(finding, now) if before is None else _gone_on(before, finding, now, rules)
        )
        after[finding.key] = incident
        news += said
    for key, before in incidents.items():
        if key in found:
            continue
        left, said = _absent(before, judgement, now, rules)
        after |= {key: left} if left else {}
        news += said
    return after, news


def _begun(finding: Finding, now: datetime) -> tuple[Incident, list[News]]:
    incident = Incident(
        key=finding.key,
        severity=finding.severity,
        what=finding.what,
        do=finding.do,
        since=finding.since or now,
        opened_at=now,
        escalates=finding.escalates,
    )
    kind: NewsKind = "notice" if finding.severity is Severity.NOTICE else "alert"
    return incident, [News(kind=kind, at=now, incident=incident)]


def _gone_on(
    before: Incident, finding: Finding, now: datetime, rules: MonitorRules
) -> tuple[Incident, list[News]]:
    severity = max(before.severity, finding.severity, key=lambda one: one.rank)
    minutes = before.open_minutes(now)
    if severity is Severity.WARNING and finding.escalates:
        severity = Severity.CRITICAL if minutes >= rules.escalate_after_minutes else severity
    incident = before.model_copy(
        update={"severity": severity, "what": finding.what, "do": finding.do, "good": 0}
    )
    if severity is Severity.NOTICE:
        return incident, []
    kind: NewsKind | None = None
    if severity.rank > before.severity.rank:
        kind = "worse"
    elif _tellings_by(minutes, rules) > before.tellings:
        kind = "still"
    if kind is None:
        return incident, []
    # What came while nobody looked, or it was only a notice, is told once and not caught up on.
    tellings = max(before.tellings, _tellings_by(minutes, rules))
    incident = incident.model_copy(update={"tellings": tellings})
    return incident, [News(kind=kind, at=now, incident=incident)]


def _tellings_by(minutes: float, rules: MonitorRules) -> int:
    """How often it should have been told after so many minutes; the last span repeats."""
    spans = rules.retell_minutes
    if minutes < spans[-1]:
        return 1 + sum(span <= minutes for span in spans)
    return len(spans) + int(minutes // spans[-1])


def _absent(
    before: Incident, judgement: Judgement, now: datetime, rules: MonitorRules
) -> tuple[Incident | None, list[News]]:
    if not judgement.decides(before.key):
        return before, []
    good = before.good + 1
    if good < rules.recover_rounds:
        return before.model_copy(update={"good": good}), []
    if before.severity is Severity.NOTICE:
        return None, []
    return None, [News(kind="recovered", at=now, incident=before)]


def troubled(incidents: Open) -> Iterator[Incident]:
    """Those that mean that something is wrong."""
    return (one for one in incidents.values() if one.severity is not Severity.NOTICE)
