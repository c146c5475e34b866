"""The monitor's nouns. Owns: what was seen in one round, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from guardrails.config.models import AutoPause
from guardrails.config.models.monitor import MonitorRules
from guardrails.heartbeats import Heartbeat
from orchestrator.health.facts import WorkFacts


class Severity(StrEnum):
    """How much somebody should be disturbed."""

    NOTICE = "notice"  # told once; nothing is wrong
    WARNING = "warning"  # somebody must look today
    CRITICAL = "critical"  # somebody must get up

    @property
    def rank(self) -> int:
        """0 for a notice."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Args:
        key: what makes it one incident; begins with its check's name and a colon.
        what: what is wrong, for a person; no address, no secret.
        do: what to do about it.
        since: when it began, where that is known; else since it was first seen.
        escalates: a warning that lasts becomes critical.
    """

    key: str
    severity: Severity
    what: str
    do: str
    since: datetime | None = None
    escalates: bool = True


@dataclass(frozen=True)
class Undecided:
    """`key` can be neither confirmed nor taken back in this round; ending in `:` or `/`, whatever
    begins with it.
    """

    key: str


@dataclass(frozen=True)
class Seen:
    """A process as the kernel shows it. `letter` is None when there is none with that number."""

    letter: str | None
    born: int = 0


@dataclass(frozen=True)
class Disk:
    """Room on the disk that holds the hive, in MB."""

    free_mb: int
    total_mb: int


@dataclass(frozen=True)
class Snapshot:
    """One round's view. A part that is None could not be looked at; `why` says why.

    Args:
        now: what time it really is; heartbeats are compared with it.
        at: the swarm's clock, which is ahead in the sandbox; all else is compared with it.
        seen: processes of this machine, by number.
        write_error: why the database cannot be written; None when it can.
        stop_file: why the STOP file stops the swarm; None when it does not.
        audit_problem: the first record that does not hold.
        skew_s: seconds by which our clock is ahead of another's; `skew_of` says whose.
        certificate_ends: of the gateway's public address.
        slept: this monitor itself did not run for a while (a machine that was suspended).
    """

    now: datetime
    at: datetime
    host: str
    hive_there: bool
    work: WorkFacts | None = None
    seen: Mapping[int, Seen] = field(default_factory=dict)
    disk: Disk | None = None
    write_error: str | None = None
    stop_file: str | None = None
    audit_checked: bool = False
    audit_problem: str | None = None
    skew_s: float | None = None
    skew_of: str = ""
    certificate_ends: datetime | None = None
    certificate_problem: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    slept: bool = False

    def with_(self, **changes: Any) -> Snapshot:
        """A copy with these parts."""
        return replace(self, **changes)

    def local(self, beat: Heartbeat) -> bool:
        """Whether that process is of this machine, so that the kernel can be asked."""
        return beat.host == self.host

    @property
    def stopped(self) -> str | None:
        """Why the swarm is stopped, or None; what cannot be read is another finding."""
        row = self.work.stop_row if self.work else None
        in_row = (row[1] or "no reason given") if row and row[0] else None
        return self.stop_file or in_row


@dataclass(frozen=True)
class Limits:
    """What a round is measured against."""

    rules: MonitorRules
    auto_pause: AutoPause


Check = Callable[[Snapshot, Limits], Iterator[Finding | Undecided]]


def lasted(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h`, `2 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
