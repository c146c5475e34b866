"""The stop as a value. Owns: what is known of it; reading it, with a database, is `stop`."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_EPOCH = -1  # no permit carries it


@dataclass(frozen=True)
class StopState:
    """`epoch` rises with every stop: a permit of another epoch is void."""

    stopped: bool
    reason: str | None
    epoch: int
