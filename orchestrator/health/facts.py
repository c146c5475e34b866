"""What the database says of the swarm's work, as values. Owns: their shapes. Refuses to judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from guardrails.brakes.brake_report import VendorRow
from guardrails.heartbeats import Heartbeat
from guardrails.ledger_pauses import Pause


@dataclass(frozen=True)
class Queue:
    """Things that wait: how many, and since when the oldest."""

    count: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True)
class OpenBreaker:
    """A breaker that is not closed, since it opened first."""

    vendor: str
    operation_class: str
    state: str
    since: datetime | None


@dataclass(frozen=True)
class RefusedKey:
    """A vendor that answers 401 or 403."""

    vendor: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class SpendMark:
    """The highest share of a cap that was reached today. Scope `*` is the total."""

    day: str
    scope: str
    percent: int
    held_micros: int
    cap_micros: int
    at: datetime


@dataclass(frozen=True)
class Rates:
    """E-mails of the last seven days, and what became of them."""

    sent: int = 0
    bounces: int = 0
    complaints: int = 0
    unsubscribes: int = 0


@dataclass(frozen=True)
class WorkFacts:
    """All of it, at one moment."""

    heartbeats: tuple[Heartbeat, ...]
    stop_row: tuple[bool, str | None, int] | None  # stopped, reason, epoch; None: no such row
    inbox: Queue
    inbox_failed: int
    visitors: Queue  # rows of the service's runs that are not decided
    deliveries: Queue
    writes_unknown: Queue
    writes_open: Queue  # claimed or dispatching
    approvals_waiting: Queue  # oldest: the next to be due
    approvals_overdue: Queue
    slack: Queue
    slack_failed: int
    lessons: Queue
    vendors: tuple[VendorRow, ...]
    breakers: tuple[OpenBreaker, ...]
    keys: tuple[RefusedKey, ...]
    spend: tuple[SpendMark, ...]
    rates: Rates
    pauses: tuple[Pause, ...]  # in force
    inbox_odd: int = 0  # what became of e-mails, as nobody here understood it, in the last day
    memory: Queue = Queue()  # facts for the long-term memory
    memory_rejected: int = 0  # of those: set aside
