"""What was measured. Owns: the facts that the questions are answered from, and nothing else.

The answers are pure functions of this, so that each can be shown to fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.campaign.record import BreakerSpan, LeadResult


@dataclass(frozen=True)
class Arrival:
    """One request at a twin's door; `t` in seconds since the faults began."""

    t: float
    vendor: str
    operation_class: str  # read | paid_read | write


@dataclass(frozen=True)
class Outage:
    """A vendor that was made to fail altogether, in seconds since the faults began."""

    vendor: str
    start: float
    end: float


@dataclass(frozen=True)
class SpendSeen:
    """Money of one day and scope, in micro-dollars; `entries` is the sum of what is held."""

    day: str
    scope: str
    held: int
    cap: int | None
    entries: int


@dataclass(frozen=True)
class Coverage:
    """Of the sweep: every place and fault, and those that were reached."""

    wanted: frozenset[tuple[str, str]]
    done: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Findings:
    """One campaign, measured."""

    sandbox: bool
    leads: tuple[LeadResult, ...] = ()
    unsteady: tuple[str, ...] = ()  # what differed between two rounds without faults
    rounds: int = 0
    resumes: int = 0
    halts: Mapping[str, int] = field(default_factory=dict)
    recovery_rounds: int = 0
    recovery_s: float = 0.0
    faults: Mapping[str, int] = field(default_factory=dict)
    spans: tuple[BreakerSpan, ...] = ()
    outages: tuple[Outage, ...] = ()
    arrivals: tuple[Arrival, ...] | None = None  # None: real vendors do not say
    calls: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # vendor: first, retries
    retry_ratio: float = 0.1
    retry_reserve: float = 10.0
    proposals: tuple[Mapping[str, Any], ...] = ()
    clusters: tuple[Mapping[str, Any], ...] = ()
    audit_ok: bool = False
    audit_records: int = 0
    audit_problem: str = "not verified"
    bank_problem: str | None = "not opened"
    bank_items: int = 0
    spend: tuple[SpendSeen, ...] = ()
    vendor_writes: int = -1  # -1: nobody counted
    restarts: Mapping[str, int] = field(default_factory=dict)
    restarts_explained: int = 0  # killed by us, or by the queen because they hung
    broken: tuple[str, ...] = ()  # errors that nobody foresaw
    crashed_rows: int = 0
    orphans: tuple[int, ...] = ()
    round_memory: tuple[tuple[int, float, int], ...] = ()  # round, MB, open files
    coverage: Coverage | None = None
