"""What a permit says. Owns: its fields, and how a write states the same of itself."""

from __future__ import annotations

from pydantic import Field

from guardrails.authorize_rules import Purpose
from guardrails.identity import recipient_hash
from guardrails.model import Frozen, Mode
from guardrails.model.writes import WriteIntent


class Bound(Frozen):
    """What a permit is for. The process that writes states the same from what it is about to do."""

    action: str = Field(description="A WriteAction, e.g. send_email.")
    vendor: str
    key: str = Field(description="Row of the send ledger that it may dispatch.")
    recipient_hash: str = Field(description="identity.recipient_hash of the intent's recipient.")
    content_hash: str = Field(description="WriteIntent.content_hash of exactly what goes out.")
    mode: Mode
    policy_version: str

    @classmethod
    def to(
        cls, intent: WriteIntent, key: str, mode: Mode, policy_version: str, salt: bytes
    ) -> Bound:
        """What a permit for `intent` is bound to."""
        return cls(
            action=intent.action.value,
            vendor=intent.vendor,
            key=key,
            recipient_hash=recipient_hash(salt, intent.recipient),
            content_hash=intent.content_hash,
            mode=mode,
            policy_version=policy_version,
        )


class PermitRequest(Bound):
    """What is asked for; `model_dump(mode="json")` stands as `permit` in the audit record."""

    bank_version: str
    approver: str | None = Field(default=None, description="Salted id of the approving person.")
    stop_epoch: int = Field(ge=0, description="Epoch in which the decision was made.")
    purpose: Purpose = Field(default=Purpose.WORK, description="Only such a process may spend it.")


class Permit(PermitRequest):
    """A permit whose signature holds. Times are seconds since 1970, UTC."""

    jti: str = Field(description="Permit id.")
    audit_id: str
    audit_hash: str
    iat: int
    exp: int
