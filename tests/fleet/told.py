"""What a storm is to do, and what it did. Owns: the plan, and what is kept for the judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.fleet.stops import Stop

LANDED_S = 15.0  # after a cut: no call that was permitted before lasts longer (trials.BRISK)


@dataclass(frozen=True)
class Plan:
    """What happens. `every_s` is between two SIGKILLs."""

    seed: int
    every_s: float
    cut_s: float
    leads: int
    cap: int
    lease_s: float


@dataclass(frozen=True)
class Cut:
    """One machine without its cable, from `began` to `ended` (monotonic), and whom it reached."""

    machine: int
    began: float
    ended: float
    database: bool
    vendors: bool


@dataclass
class Told:
    """What was done to the fleet, and what it took."""

    blows: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    resolved: Counter[str] = field(default_factory=Counter)  # by a person
    stops: list[Stop] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
