"""What a campaign is asked to do. Owns: its parameters, and which faults are of which kind.

Refuses: faults nobody knows, durations that mean nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from guardrails.config.models.production import Fault
from guardrails.errors import BadInput

PROCESS_FAULTS: tuple[Fault, ...] = (
    "server_killed", "server_hung", "database_locked", "disk_full", "torn_bank",
)  # fmt: skip
ALL_FAULTS: tuple[Fault, ...] = get_args(Fault)
_UNITS = {"s": 1, "m": 60, "h": 3600}
LONGEST_S = 24 * 3600


@dataclass(frozen=True)
class Plan:
    """One campaign. `seconds` is how long faults last; a sweep ends when it is through."""

    kind: Literal["random", "sweep"]
    seconds: float
    rate: float
    seed: int
    faults: tuple[Fault, ...]
    sandbox: bool
    leads: Path
    hive: Path
    config: Path | None = None
    database_url: str | None = None  # of the campaign alone

    @property
    def http_faults(self) -> tuple[Fault, ...]:
        """Those that the servers' own layers make."""
        return tuple(fault for fault in self.faults if fault not in PROCESS_FAULTS)

    @property
    def process_faults(self) -> tuple[Fault, ...]:
        """Those that the campaign makes to processes, database, disk and bank."""
        return tuple(fault for fault in self.faults if fault in PROCESS_FAULTS)

    @property
    def command(self) -> str:
        """What a person types to have the same again."""
        parts = ["swarm", "chaos", "--duration", f"{self.seconds:g}s", "--rate", f"{self.rate:g}"]
        parts += ["--seed", str(self.seed), "--hive", str(self.hive)]
        if self.kind == "sweep":
            parts += ["--sweep"]
        else:
            parts += ["--leads", str(self.leads)]
        if self.faults != ALL_FAULTS:
            parts += ["--faults", ",".join(self.faults)]
        if self.config is not None:
            parts += ["--config", str(self.config)]
        return shlex.join([*parts, *(["--sandbox"] if self.sandbox else [])])


def seconds_of(text: str) -> float:
    """`90s`, `10m`, `1h` (a bare number: seconds) as seconds.

    Raises:
        BadInput: not of this form, zero, or longer than a day.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text.casefold())
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if not 0 < seconds <= LONGEST_S:
        raise BadInput(
            f"{text!r} is not a duration", remedy="Write e.g. 90s, 10m or 1h, at most 24h."
        )
    return seconds


def faults_of(names: str | Sequence[str]) -> tuple[Fault, ...]:
    """Faults by name, in their own order; `http` and `process` stand for all of a kind.

    Raises:
        BadInput: names one that does not exist.
    """
    given = names.split(",") if isinstance(names, str) else names
    wanted: set[str] = set()
    for name in (each.strip() for each in given):
        if name == "http":
            wanted |= set(ALL_FAULTS) - set(PROCESS_FAULTS)
        elif name == "process":
            wanted |= set(PROCESS_FAULTS)
        elif name in ALL_FAULTS:
            wanted.add(name)
        else:
            known = ", ".join(ALL_FAULTS)
            raise BadInput(f"there is no fault {name!r}", remedy=f"Choose from: {known}.")
    return tuple(fault for fault in ALL_FAULTS if fault in wanted)
