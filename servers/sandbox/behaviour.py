"""How the sandbox behaves beyond its data. Owns: latency, rate limits, outages, balances.

Set at start and changed by `POST /_twin/behaviour`. Rate limits are off unless asked for, so that
a demo or a benchmark is not slowed by a vendor's quota; the quota headers are sent either way.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from guardrails.config.models import Vendor

Limited = Vendor | Literal["all"]
Outages = dict[Vendor, Annotated[int, Field(ge=400, le=599)]]


class Behaviour(BaseModel):
    """One sandbox's switches. All of them may be changed while it runs."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    latency_ms: float = Field(default=0, ge=0, le=60_000, description="Added to every answer.")
    rate_limits: tuple[Limited, ...] = Field(
        default=(), description="Vendors whose published rate limit is enforced; `all` for every."
    )
    outage: Outages = Field(
        default_factory=dict, description="Vendor to the status of every answer, e.g. 503."
    )
    clay_balance: int = Field(default=1_000_000, ge=0, description="Items Clay may still run.")
    clay_pending_polls: int = Field(
        default=0, ge=0, description="Answers 202 before a routine run's results are ready."
    )
    rb2b_balance: int = Field(default=1_000_000, ge=0, description="Credits RB2B still has.")
    ghl_search_lag_s: float = Field(
        default=2, ge=0, description="Seconds before the search finds a new contact."
    )

    def limits(self, vendor: Vendor) -> bool:
        """Whether this vendor's rate limit is enforced."""
        return vendor in self.rate_limits or "all" in self.rate_limits


class Window:
    """Requests in the last `seconds`, by key: a sliding window of at most `allowed`."""

    def __init__(self, allowed: int, seconds: float) -> None:
        self.allowed = allowed
        self.seconds = seconds
        self._hits: defaultdict[str, deque[float]] = defaultdict(deque)

    def left(self, key: str, now: float) -> int:
        """Requests still free after this one is counted; -1 when it is one too many."""
        if self.used(key, now) >= self.allowed:
            return -1
        self._hits[key].append(now)
        return self.allowed - len(self._hits[key])

    def used(self, key: str, now: float) -> int:
        """Requests counted in the window that ends now."""
        hits = self._hits[key]
        while hits and hits[0] <= now - self.seconds:
            hits.popleft()
        return len(hits)
