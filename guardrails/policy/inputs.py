"""What a decision is made from. Owns: the recorded inputs and the recorded policy.

Evaluation reads these two and nothing else (no clock, no file, no network), so that a recorded
decision can be derived again from the record (P7). Refuses fields it does not know: inputs of
another version are an error, never a guess.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from guardrails.bank.slices import BankSlice
from guardrails.config.models import Competitors, Config, Exclusions, Policy, Section, SendingWindow
from guardrails.model import Dossier, Draft, Frozen, Mode, Qualification, Reason


class GateInputs(Frozen):
    """Everything one decision rests on, apart from the policy in force."""

    run_id: str
    dossier: Dossier
    qualification: Qualification | None = None
    draft: Draft | None = None
    notes: tuple[Reason, ...] = Field(default=(), description="Why there is no draft.")
    mode: Mode
    sandbox: bool
    now: datetime = Field(description="The moment of decision, UTC.")
    suppression: str | None = Field(
        default=None, description="Why this address or domain is suppressed, if it is."
    )
    bank_slice: BankSlice | None = Field(
        default=None, description="The part of the bank this draft was compared with."
    )
    policy_version: str
    policy_digest: str = Field(description="SHA-256 of the recorded `PolicyDocument`.")
    bank_version: str


class PolicyDocument(Section):
    """The configuration that decides, as it is recorded beside the decisions made under it."""

    policy: Policy
    competitors: Competitors
    exclusions: Exclusions
    sending_window: SendingWindow

    @classmethod
    def of(cls, config: Config) -> PolicyDocument:
        """The deciding part of `config`."""
        return cls(
            policy=config.policy,
            competitors=config.competitors,
            exclusions=config.exclusions,
            sending_window=config.production.sending_window,
        )
