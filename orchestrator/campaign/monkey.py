"""Which process fault is done when. Owns: the seeded plan, a pure function.

Asked for a round and a row, it answers the same in every campaign of the same seed, whatever
happened before: nothing is drawn from a stream that a slower machine could shift.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from guardrails.config.models.production import Fault

# Not the hunter: it works before the first lead starts, so its hang would be seen by nobody.
# The sweep hangs it while a file is read.
HANGABLE = ("enricher", "crafter", "guardrails", "ghl", "instantly")
_LASTS_S: dict[str, tuple[float, float]] = {
    "database_locked": (0.5, 3.0),
    "disk_full": (0.5, 2.0),
    "torn_bank": (0.5, 2.0),
}


@dataclass(frozen=True)
class Strike:
    """One process fault: at which server, if it is one's, and for how long, if that is chosen."""

    fault: Fault
    server: str | None
    seconds: float

    @property
    def site(self) -> str:
        """`process.<server, or what is struck>`."""
        things = {"database_locked": "database", "disk_full": "disk", "torn_bank": "bank"}
        return f"process.{self.server or things[self.fault]}"


@dataclass(frozen=True)
class Monkey:
    """The plan of one seed. `rate` is the share of leads at whose start something is done."""

    seed: int
    rate: float
    faults: tuple[Fault, ...]
    servers: Sequence[str]

    def strike(self, round_number: int, row: int) -> Strike | None:
        """What is done when the lead of `row` starts in this round, if anything."""
        if not self.faults or self._chance(round_number, row, "whether") >= self.rate:
            return None
        fault = self.faults[int(self._chance(round_number, row, "fault") * len(self.faults))]
        server: str | None = None
        if fault in ("server_killed", "server_hung"):
            among = [name for name in self.servers if fault == "server_killed" or name in HANGABLE]
            server = among[int(self._chance(round_number, row, "server") * len(among))]
        low, high = _LASTS_S.get(fault, (0.0, 0.0))
        return Strike(fault, server, low + (high - low) * self._chance(round_number, row, "long"))

    def _chance(self, round_number: int, row: int, purpose: str) -> float:
        """A number in [0, 1) that belongs to this place alone."""
        key = f"{self.seed}|{round_number}|{row}|{purpose}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=7).digest()) / 2**56
