"""What a campaign saw. Owns: the form of the record that is drawn, reported and judged.

Times `t` are seconds since the campaign's faults began; the baseline before them has none.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(_Row):
    """The whole swarm at one moment, taken about once a second."""

    t: float
    leads_done: int  # decided since the faults began, all rounds together
    faults: int
    retries: int
    failures: int
    spend_micros: int
    restarts: int
    memory_mb: float  # queen and servers together, proportional set size where there is one
    open_files: int
    processes: int


class BreakerSpan(_Row):
    """One breaker in one state, from `start` to `end`."""

    vendor: str
    operation_class: str
    state: Literal["open", "half_open", "closed"]
    start: float
    end: float
    reason: str = ""


class FaultSeen(_Row):
    """One fault that was put somewhere."""

    t: float
    site: str  # vendor.operation, or process.<server or file>
    fault: str
    lead_id: str | None = None


class LeadResult(_Row):
    """One lead with and without faults."""

    lead_id: str
    row: int
    baseline: str  # LeadState without faults
    under_faults: tuple[str, ...]  # its state in each round
    after: str  # its state once the faults were over
    verdict: Literal["same", "more_cautious", "different", "lost", "doubled"]


class Question(_Row):
    """One of the guide's questions and its answer, with the numbers behind it."""

    id: str
    text: str
    holds: bool
    answer: str
    evidence: dict[str, Any] = {}


class CampaignRecord(_Row):
    """Everything about one campaign."""

    campaign_id: str
    kind: Literal["random", "sweep"]
    started_at: str
    seconds: float
    seed: int
    rate: float
    faults_allowed: tuple[str, ...]
    sandbox: bool
    leads_file: str
    rounds: int
    command: str  # what a person types to have the same again
    environment: dict[str, str]  # versions, machine
    scaled: dict[str, str] = {}  # waits that were shortened, and to what
    samples: tuple[Sample, ...] = ()
    breakers: tuple[BreakerSpan, ...] = ()
    faults: tuple[FaultSeen, ...] = ()
    arrivals: dict[str, tuple[tuple[int, int], ...]] = {}  # vendor: (second, requests) at its door
    leads: tuple[LeadResult, ...] = ()
    clusters: tuple[dict[str, Any], ...] = ()
    proposals: tuple[dict[str, Any], ...] = ()
    restarts: dict[str, int] = {}
    spend: dict[str, int] = {}  # held_micros, cap_micros
    questions: tuple[Question, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every question was answered as it must be, and at least one was asked."""
        return bool(self.questions) and all(question.holds for question in self.questions)
