"""The nouns of authorizing. Owns: what is asked, what is answered, and the record's body.

The record names nobody and holds no text of the e-mail: key, hashes, checks. Its `permit` is the
request that the mint compares with what it mints, or None when there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import Field

from guardrails.clock import iso
from guardrails.ledger import WriteEntry
from guardrails.model import (
    Check,
    CrmView,
    Frozen,
    Mode,
    OutreachView,
    Reason,
    Recollection,
    Verdict,
    WriteIntent,
)
from guardrails.permits import PermitRequest
from guardrails.policy import reasons_of, verdict_of

Answer = Literal["permitted", "refused", "deferred", "already"]


class Authorization(Frozen):
    """Whether a write may be done now."""

    verdict: Answer = Field(
        description="permitted: do it now with `permit`. refused: it must not be done. deferred: "
        "ask again, not before `not_before` if that is given. already: it was done before."
    )
    key: str = Field(description="Ledger key of the write; hand it over with the permit.")
    permit: str | None = Field(
        default=None, repr=False, description="Allows this one write, once, for seconds."
    )
    not_before: datetime | None = Field(default=None, description="UTC.")
    reasons: tuple[Reason, ...] = Field(default=(), description="Most severe first.")
    audit_id: str | None = Field(
        default=None, description="Record of this answer; none when it was done before."
    )


class SendRequest(Protocol):
    """An e-mail that a recorded decision let go."""

    @property
    def decision_audit_id(self) -> str: ...
    @property
    def intent(self) -> WriteIntent: ...
    @property
    def crm(self) -> CrmView | None: ...
    @property
    def outreach(self) -> OutreachView | None: ...
    @property
    def memory(self) -> Recollection | None: ...


class WriteRequest(Protocol):
    """Any other write."""

    @property
    def key(self) -> str: ...
    @property
    def intent(self) -> WriteIntent: ...
    @property
    def lead_id(self) -> str | None: ...
    @property
    def run_id(self) -> str | None: ...
    @property
    def decision_audit_id(self) -> str | None: ...


@dataclass(frozen=True)
class Basis:
    """Under what it is judged; stands on every record."""

    mode: Mode
    sandbox: bool
    policy_version: str
    bank_version: str | None
    inputs_digest: str | None
    at: datetime
    approver: str | None = None  # salted id of the person who said yes


def send_key(decision_audit_id: str) -> str:
    """Ledger key of the one e-mail that this decision can let go."""
    return f"send:{decision_audit_id}"


def answer_of(checks: Sequence[Check]) -> Answer:
    """What the checks come to. A person's look is not here to be had: that is a no as well."""
    verdict = verdict_of(checks)
    if verdict is Verdict.PASS:
        return "permitted"
    return "deferred" if verdict is Verdict.DEFER else "refused"


def authorize_body(
    answer: Answer,
    entry: WriteEntry,
    checks: Sequence[Check],
    basis: Basis,
    *,
    not_before: datetime | None = None,
    caps: Mapping[str, Any] | None = None,
    permit: PermitRequest | None = None,
) -> dict[str, Any]:
    """Body of an authorize record. Times are UTC text."""
    return {
        "verdict": answer,
        "key": entry.key,
        "vendor": entry.vendor,
        "action": entry.action.value,
        "recipient_hash": entry.recipient_hash,
        "content_hash": entry.content_hash,
        "decision_audit_id": entry.decision_audit_id,
        "checks": [check.model_dump(mode="json") for check in checks],
        "reasons": [reason.model_dump(mode="json") for reason in reasons_of(checks)],
        "not_before": iso(not_before) if not_before else None,
        "caps": dict(caps) if caps is not None else None,
        "mode": basis.mode.value,
        "sandbox": basis.sandbox,
        "policy_version": basis.policy_version,
        "bank_version": basis.bank_version,
        "approver": basis.approver,
        "inputs_digest": basis.inputs_digest,
        "decided_at": iso(basis.at),
        "permit": permit.model_dump(mode="json") if permit is not None else None,
    }
