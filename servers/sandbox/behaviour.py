"""How the sandbox behaves beyond its data. Owns: every switch, and which value each may have.

Set at start and changed by `POST /_twin/behaviour`; a switch that is a mapping is replaced as a
whole, so `{}` clears it. Rate limits are off unless asked for, so that a demo or a benchmark is
not slowed by a vendor's quota; the quota headers are sent either way. Refuses what no user of the
vendor could meet, e.g. a revoked key at a source that has no keys.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from guardrails.config.models import Vendor

TwinName = Literal[Vendor, "slack", "supabase"]  # the latter two are no source of data
Limited = TwinName | Literal["all"]
Outages = dict[TwinName, Annotated[int, Field(ge=400, le=599)]]
Milliseconds = Annotated[float, Field(ge=0, le=60_000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Denial = Literal[
    "revoked",  # the key was deleted or rotated away
    "no_scope",  # the key is good and lacks the scope
    "wrong_location",  # the key is good and belongs to another account
    "agency_key",  # GHL: an agency's key at a location's endpoint
    "company_key",  # GHL: an OAuth key of the company's class
    "no_plan",  # Instantly: the workspace's paid plan has ended
]
Retype = Literal["string", "null", "list"]

DENIALS: dict[TwinName, frozenset[Denial]] = {
    "ghl": frozenset({"revoked", "no_scope", "wrong_location", "agency_key", "company_key"}),
    "instantly": frozenset({"revoked", "no_scope", "no_plan"}),
    "clay": frozenset({"revoked", "no_scope"}),
    "rb2b": frozenset({"revoked"}),
    "slack": frozenset({"revoked", "no_scope"}),
    "supabase": frozenset({"revoked"}),
}


class Behaviour(BaseModel):
    """One sandbox's switches. All of them may be changed while it runs."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    latency_ms: Milliseconds = Field(default=0, description="Added to every answer.")
    vendor_latency_ms: dict[TwinName, Milliseconds] = Field(
        default_factory=dict,
        description="Added to every answer of that vendor, e.g. to be slower than our timeout.",
    )
    rate_limits: tuple[Limited, ...] = Field(
        default=(), description="Vendors whose published rate limit is enforced; `all` for every."
    )
    ghl_burst: int = Field(
        default=100,
        ge=1,
        le=100,
        description="GHL's requests in 10 s: 100 as published, 25 at its own sandbox accounts. "
        "Enforced when `rate_limits` says so: below ours it makes a storm of 429.",
    )
    outage: Outages = Field(
        default_factory=dict, description="Vendor to the status of every answer, e.g. 503."
    )
    fail_next: dict[TwinName, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=dict, description="How many of the vendor's next answers are 503."
    )
    act_and_fail: dict[TwinName, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=dict,
        description="How many of the vendor's next writes are done, and answered 502 all the same.",
    )
    auth: dict[TwinName, Denial] = Field(
        default_factory=dict,
        description="What the vendor says of our key, instead of accepting it.",
    )
    ghl_versions: tuple[Name, ...] = Field(
        default=(),
        description="Version headers that GHL accepts, for every endpoint; none named: as "
        "published. A version that is not among them is refused as one it never heard of.",
    )
    ghl_duplicates_allowed: bool = Field(
        default=False,
        description='The location\'s setting "Allow Duplicate Contact": a second contact with '
        "the same address is created instead of refused.",
    )
    renames: dict[TwinName, dict[Name, Name]] = Field(
        default_factory=dict,
        description="Field to its new name, wherever it stands in the vendor's 2xx JSON answers.",
    )
    retypes: dict[TwinName, dict[Name, Retype]] = Field(
        default_factory=dict,
        description="Field, by its documented name, to what its value has become: its text, "
        "null, or a list of it. In the vendor's 2xx JSON answers.",
    )
    slack_request_url: str = Field(
        default="",
        pattern=r"^(http://(127\.0\.0\.1|localhost)(:\d+)?(/.*)?)?$",
        description="Where Slack posts clicks and submitted forms: the app's interactivity "
        "request URL. Loopback only.",
    )
    slack_most_blocks: int = Field(
        default=50, ge=1, le=50, description="Blocks that Slack takes in one message."
    )
    webhook_disabled: tuple[Literal["instantly"], ...] = Field(
        default=(),
        description="Vendors that have switched our webhook off after failed deliveries.",
    )
    clay_balance: int = Field(default=1_000_000, ge=0, description="Items Clay may still run.")
    clay_pending_polls: int = Field(
        default=0, ge=0, description="Answers 202 before a routine run's results are ready."
    )
    rb2b_balance: int = Field(default=1_000_000, ge=0, description="Credits RB2B still has.")
    ghl_search_lag_s: float = Field(
        default=2, ge=0, description="Seconds before the search finds a new contact."
    )

    instantly_list_lag_s: float = Field(
        default=0, ge=0, description="Seconds before Instantly lists a new lead or campaign."
    )

    supabase_empty: bool = Field(
        default=False, description="Nobody has made the memory's tables in the project yet."
    )
    supabase_most_rows: int = Field(
        default=1000, ge=1, le=1000, description="Rows that Supabase gives in one answer."
    )
    supabase_refuses_bearer: bool = Field(
        default=False,
        description="The project refuses a key that is no JWT in `Authorization`, as some do.",
    )

    @field_validator("auth")
    @classmethod
    def _sayable(cls, auth: dict[TwinName, Denial]) -> dict[TwinName, Denial]:
        for vendor, denial in auth.items():
            known = sorted(DENIALS.get(vendor, ()))
            if denial not in known:
                can = f"it can be {', '.join(known)}" if known else "it has no keys"
                raise ValueError(f"{vendor} cannot say {denial} of a key: {can}")
        return auth

    def limits(self, vendor: TwinName) -> bool:
        """Whether this vendor's rate limit is enforced."""
        return vendor in self.rate_limits or "all" in self.rate_limits

    def latency_s(self, vendor: TwinName) -> float:
        """Seconds that an answer of this vendor is held back."""
        return (self.latency_ms + self.vendor_latency_ms.get(vendor, 0)) / 1000

    def down(self, vendor: TwinName) -> int | None:
        """The status of an outage that this request meets, or None. Counts down `fail_next`."""
        if self.fail_next and self.fail_next.get(vendor):
            self.fail_next[vendor] -= 1
            return 503
        return self.outage.get(vendor)

    def fails_after_acting(self, vendor: TwinName) -> bool:
        """Whether this write, done already, is answered as if it had failed. Counts down."""
        left = self.act_and_fail.get(vendor, 0)
        if left:
            self.act_and_fail[vendor] = left - 1
        return left > 0


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
