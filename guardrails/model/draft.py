"""One e-mail, written and not sent, with the claims it makes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from guardrails.model.base import Frozen, digest
from guardrails.model.states import Reason


class Claim(Frozen):
    """A factual span of a draft and the evidence it rests on."""

    text: str = Field(description="The span exactly as it stands in the draft.")
    kind: Literal["company", "role", "other"]
    fact: str = Field(description="Which fact or news item supports it, e.g. hiring or news.")
    evidence: str = Field(description="The evidence's value as it was fetched.")
    source: str
    url: str | None = None
    fetched_at: datetime
    ttl_days: int


class Sender(Frozen):
    """Who writes. Comes from configuration only, never from a model or a lead."""

    name: str
    email: str
    company: str
    postal_address: str


class Scope(Frozen):
    """Where a pattern was seen; the bank backs off from the narrowest."""

    segment: str
    angle: str
    persona: str
    channel: Literal["cold_email", "crm_email"] = "cold_email"
    step: int = 1


class Draft(Frozen):
    """One e-mail, written and not sent. The recipient is the lead's address, never the draft's."""

    subject: str
    body: str
    claims: tuple[Claim, ...] = ()
    template: str = Field(description="Template id.")
    template_hash: str = Field(description="SHA-256 of the template's source, first 16 digits.")
    scope: Scope
    features: Mapping[str, str] = Field(
        default_factory=dict,
        description="Structure, not wording: opener, claims, length, cta, subject style.",
    )
    sender: Sender
    links: tuple[str, ...] = ()
    dropped: tuple[Reason, ...] = Field(
        default=(), description="Claims and templates that were not used, and why."
    )

    def content_hash(self, to: str) -> str:
        """Digest of exactly what would go out: recipient, sender, subject and body."""
        return digest(
            {
                "to": to.casefold(),
                "from": self.sender.email,
                "subject": self.subject,
                "body": self.body,
            }
        )
