"""The closed sets: modes, verdicts, states; and the reasons that come with them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from guardrails.model.base import Frozen


class Mode(StrEnum):
    """How much the swarm may do outside. Ordered; lowering is always allowed."""

    SHADOW = "shadow"  # reads real data, writes nothing outside
    ASSISTED = "assisted"  # a person approves every send
    LIVE = "live"  # sends what the gate passes

    @property
    def rank(self) -> int:
        """0 for shadow, 2 for live: the lower of two modes wins."""
        return list(Mode).index(self)


class Verdict(StrEnum):
    """What one check, or the whole gate, says. Ordered by severity."""

    PASS = "pass"  # noqa: S105 - a verdict
    REVIEW = "review"  # a person must look
    DEFER = "defer"  # not now: something needed is missing or late
    BLOCK = "block"  # this draft must not go out
    DISQUALIFY = "disqualify"  # this lead must not be contacted

    @property
    def severity(self) -> int:
        """0 for pass, 4 for disqualify: the most severe check decides."""
        return _SEVERITY[self]


_SEVERITY = {verdict: place for place, verdict in enumerate(Verdict)}


class LeadState(StrEnum):
    """The one state in which a prepared lead ends (P7)."""

    INVALID = "invalid"  # the row cannot be used; the reason names field and remedy
    DUPLICATE = "duplicate"  # the same person is already in this run
    DISQUALIFIED = "disqualified"  # must not be contacted
    BLOCKED = "blocked"  # a draft exists and must not go out
    REVIEW = "review"  # a draft exists and needs a person
    DEFERRED = "deferred"  # something needed is missing or late; try again later
    SHADOW_LOGGED = "shadow_logged"  # would have been sent; written to the shadow log
    AWAITING_APPROVAL = "awaiting_approval"  # assisted: waits for a person
    READY = "ready"  # live: may be delivered


class Reason(Frozen):
    """Why, for a machine (`code`) and for a person (`text`)."""

    code: str = Field(description="Stable code, e.g. competitor_domain.")
    text: str = Field(description="One sentence for a person; no personal e-mail address in it.")
    field: str | None = Field(default=None, description="The field at fault, when there is one.")
    remedy: str | None = Field(default=None, description="What would change the answer.")
