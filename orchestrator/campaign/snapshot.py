"""A campaign while it runs. Owns: what the live view is shown, about once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.campaign.record import BreakerSpan, Sample

Phase = Literal["starting", "baseline", "faults", "recovery", "checks", "done"]


@dataclass(frozen=True)
class Event:
    """One thing that happened; `t` in seconds since the faults began (negative before)."""

    t: float
    text: str


@dataclass(frozen=True)
class Snapshot:
    """Everything known at one moment. The sequences grow; the last entries are the newest."""

    phase: Phase
    campaign_id: str
    kind: Literal["random", "sweep"]
    elapsed_s: float  # of the whole campaign
    t: float  # since the faults began; 0 before
    planned_s: float  # how long faults are planned to last; 0 for a sweep
    round: int  # 0 while there is none, then from 1; of a sweep: the pass
    leads_done: int  # of this round
    leads_total: int  # of this round; 0 while the file is read
    faults_by_kind: Mapping[str, int] = field(default_factory=dict)
    # "vendor operation_class" to closed, half_open or open
    breakers: Mapping[str, str] = field(default_factory=dict)
    spans: tuple[BreakerSpan, ...] = ()
    samples: tuple[Sample, ...] = ()
    retries: int = 0
    failures: int = 0
    spend_micros: int = 0
    cap_micros: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)
    events: tuple[Event, ...] = ()  # at most the last 50
    note: str = ""  # what is being waited for, if anything
