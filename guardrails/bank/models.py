"""Shapes of the reasoning bank. Owns: lessons (events), items (their fold), patterns (questions).

Refuses: silence, opens and clicks as evidence (scanners forge them), naive times, unknown fields
and outcomes. A lesson's scope and features come from our vocabulary; its text is data (P9) and is
never read by a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, field_validator

from guardrails.clock import in_utc
from guardrails.model import Frozen, Scope

SCHEMA_VERSION: Literal[1] = 1

Failing = Literal["rejection", "hard_bounce", "complaint", "unsubscribe", "angry_reply"]
Succeeding = Literal["positive_reply", "meeting", "approval_sent"]
Outcome = Failing | Succeeding
Deed = Literal[
    "promoted",  # a person confirmed the item: quarantined evidence up to then counts
    "retired",  # a person took the item out: evidence up to then no longer counts
    "released",  # a person allows one probe: a learned block is a review until the next outcome
]
Happening = Outcome | Deed | Literal["golden"]
ReasonCode = Literal[
    "factual", "tone", "wrong_person", "competitor", "timing", "compliance",
    "personalization", "weak_subject", "weak_cta", "length", "rendering", "other",
]  # fmt: skip
Trust = Literal["human", "system", "lead_derived"]
Kind = Literal["hard_rule", "learned_failure", "golden"]
Status = Literal[
    "candidate",  # evidence that is cited and counted, not yet a repeated failure
    "active",  # speaks: a hard rule, a repeated failure, a golden pattern
    "quarantined",  # only the lead's side said so: never counts, never speaks
    "retired",  # a person took it out, and nothing new has happened since
]
Rule = Literal[
    "resend",  # a person rejected this template for this lead
    "content",  # a person rejected exactly this text
    "opt_out",  # this lead unsubscribed or complained
    "competitor",  # a person rejected this lead as working for a competitor
]
FAILURES: frozenset[str] = frozenset(get_args(Failing))
SUCCESSES: frozenset[str] = frozenset((*get_args(Succeeding), "golden"))
_FORGEABLE = frozenset(
    {"silence", "no_reply", "open", "opened", "opens", "click", "clicked", "clicks"}
)


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]


class Lesson(Frozen):
    """One verified outcome of one e-mail: the event that the bank learns from."""

    event_id: str = Field(min_length=1, max_length=200, description="Same id, same event.")
    at: Instant
    outcome: Outcome
    reason_code: ReasonCode | None = Field(default=None, description="Given for a rejection.")
    text: str = Field(default="", max_length=2000, description="The person's words: data only.")
    actor: str = Field(min_length=1, max_length=200, description="Who or what reported it.")
    trust: Trust
    lead_id: str | None = None
    scope: Scope
    template_hash: str | None = None
    content_hash: str | None = None
    features: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("outcome", mode="before")
    @classmethod
    def _evidence_only(cls, outcome: Any) -> Any:
        if outcome in _FORGEABLE:
            raise ValueError(
                f"{outcome} is never evidence: silence says nothing, and scanners forge opens "
                "and clicks"
            )
        return outcome


class ItemScope(Frozen):
    """Where an item applies; null means everywhere."""

    segment: str | None = None
    angle: str | None = None
    persona: str | None = None
    channel: str | None = None
    step: int | None = None


class Match(Frozen):
    """What an item matches beyond its scope. Hard rules by exact keys, golden by structure."""

    rule: Rule | None = None
    lead_id: str | None = None
    template_hash: str | None = None
    content_hash: str | None = None
    features: Mapping[str, str] = Field(default_factory=dict)


class ItemKey(Frozen):
    """What makes evidence belong to one item. Its digest is the item's fingerprint."""

    kind: Kind
    scope: ItemScope = ItemScope()
    match: Match = Match()
    name: str = Field(default="", description="Golden items: the configured id and title.")


class ItemAction(Frozen):
    """A person's decision about one item; an event like any other, so that banks merge."""

    event_id: str = Field(min_length=1, max_length=200)
    at: Instant
    action: Deed
    actor: str = Field(min_length=1, max_length=200, description="The person.")
    text: str = Field(default="", max_length=2000)
    key: ItemKey


CONFIGURED = "config/golden_set.json"  # the actor of what configuration states


class GoldenEvent(Frozen):
    """A golden pattern, taken in at `at`: as configuration states it, or as a person promoted one
    e-mail that succeeded."""

    event_id: str
    at: Instant
    key: ItemKey
    successes: int = Field(ge=1)
    source: str
    sample: bool = Field(description="Invented with the product: shown, never counted.")
    actor: str = CONFIGURED
    trial: str = Field(
        default="golden",
        description="The e-mail it is about. What configuration states is one trial: stated anew, "
        "it replaces its former statement.",
    )


Event = Lesson | ItemAction | GoldenEvent
EVENT: TypeAdapter[Event] = TypeAdapter(Event)  # reads any of them


class Evidence(Frozen):
    """One event inside an item."""

    event_id: str
    outcome: Happening
    reason_code: ReasonCode | None = None
    actor: str
    trust: Trust
    weight: float = Field(ge=0, description="Trials it stands for; 0 for a person's decisions.")
    trial: str = Field(description="The e-mail it is about: several events of one are one trial.")
    at: Instant
    text: str = ""


class Item(Frozen):
    """Everything known under one key, derived from its evidence alone."""

    id: str
    kind: Kind
    title: str
    description: str = Field(description="When it applies, and when not.")
    content: str = Field(description="What a person said last; empty when nobody did.")
    scope: ItemScope
    fingerprint: str = Field(description="Digest of the key.")
    match: Match
    evidence: tuple[Evidence, ...] = Field(description="Oldest first.")
    alpha: float = Field(ge=0, description="Failed trials, without prior and decay.")
    beta: float = Field(ge=0, description="Successful trials, without prior and decay.")
    half_life_days: float | None = Field(default=None, gt=0, description="Null: the policy's.")
    source_trust: Trust
    status: Status
    supersedes: str | None = None
    created_by: str


class Version(Frozen):
    """Which state of the bank: `counter` grows with every write, `digest` is of the items."""

    counter: int = Field(ge=0)
    digest: str

    def __str__(self) -> str:
        return f"{self.counter}+{self.digest[:12]}"


class Document(Frozen):
    """reasoning_bank.json"""

    schema_version: Literal[1]
    version: Version
    items: tuple[Item, ...] = Field(description="Sorted by id.")


class Pattern(Frozen):
    """The question: what a draft is, for the bank. Empty strings count as unknown."""

    lead_id: str | None = None
    also_known_as: tuple[str, ...] = Field(
        default=(), description="Other ids of the same person: their hard rules hold as well."
    )
    scope: Scope
    template_hash: str | None = None
    content_hash: str | None = None
    features: Mapping[str, str] = Field(default_factory=dict)
