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
    kind: Literal["company", "role", "other"] = Field(description="What it speaks about.")
    fact: str = Field(description="Which fact or news item supports it, e.g. hiring or news.")
    evidence: str = Field(description="The evidence's value as it was fetched.")
    source: str = Field(description="Where the evidence comes from, e.g. clay or gdelt.")
    url: str | None = Field(default=None, description="Where a person can check it.")
    fetched_at: datetime = Field(description="When the evidence was read.")
    ttl_days: int = Field(description="Days after which it is stale.")


class Sender(Frozen):
    """Who writes. Comes from configuration only, never from a model or a lead."""

    name: str = Field(description="The person's name as it signs.")
    email: str = Field(description="Address it is sent from.")
    company: str = Field(description="Our company's name.")
    postal_address: str = Field(description="Postal address that stands in the e-mail.")


class Scope(Frozen):
    """Where a pattern was seen; the bank backs off from the narrowest."""

    segment: str = Field(description="Industry group, e.g. agency, saas, other.")
    angle: str = Field(description="What the e-mail speaks of, e.g. hiring, news, plain.")
    persona: str = Field(description="Role group, e.g. founder, sales_leader, operations.")
    channel: Literal["cold_email", "crm_email"] = Field(
        default="cold_email", description="By a campaign, or to somebody in the CRM."
    )
    step: int = Field(default=1, description="Position in the cadence; 1 is first.")


class Draft(Frozen):
    """One e-mail, written and not sent. The recipient is the lead's address, never the draft's."""

    subject: str = Field(description="Subject line.")
    body: str = Field(description="Plain-text body, sign-off and opt-out included.")
    claims: tuple[Claim, ...] = Field(default=(), description="Every factual span of it.")
    template: str = Field(description="Template id.")
    template_hash: str = Field(description="SHA-256 of the template's source, first 16 digits.")
    scope: Scope = Field(description="Pattern it belongs to.")
    features: Mapping[str, str] = Field(
        default_factory=dict,
        description="Structure, not wording: opener, claims, length, cta, subject style.",
    )
    sender: Sender = Field(description="Who writes, as configured.")
    links: tuple[str, ...] = Field(default=(), description="Every link in the body.")
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
