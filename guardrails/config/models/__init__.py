"""What each file in config/ may say. Owns: shapes, bounds and defaults' absence.

Every field is required unless a default is harmless, so that a forgotten limit is an error and
never "no limit". Unknown keys are errors.
"""

from __future__ import annotations

from pydantic import Field

from guardrails.config.models.base import Domain, NonEmpty, Section
from guardrails.config.models.icp import Icp, IndustryGroup, SizeBand, TitleGroup
from guardrails.config.models.people import ApprovalRules, AutoPause, GatewayRules
from guardrails.config.models.policy import (
    BankPolicy,
    Competitors,
    ContentPolicy,
    Exclusions,
    Policy,
    WhoPolicy,
)
from guardrails.config.models.production import (
    BreakerRules,
    ClayConfig,
    FailureInjection,
    Fault,
    FaultTarget,
    GhlConfig,
    Production,
    RetryBudget,
    SendingLimits,
    SendingWindow,
    Spend,
    Timeouts,
    Vendor,
    VendorConfig,
    VendorLimits,
    Vendors,
    Work,
)
from guardrails.config.models.replies import Replies
from guardrails.config.models.writing import (
    Approver,
    Approvers,
    GoldenItem,
    GoldenSet,
    TemplateEntry,
    Templates,
)

__all__ = [
    "ApprovalRules",
    "Approver",
    "Approvers",
    "AutoPause",
    "BankPolicy",
    "BreakerRules",
    "ClayConfig",
    "Competitors",
    "Config",
    "ContentPolicy",
    "Domain",
    "Exclusions",
    "FailureInjection",
    "Fault",
    "FaultTarget",
    "GatewayRules",
    "GhlConfig",
    "GoldenItem",
    "GoldenSet",
    "Icp",
    "IndustryGroup",
    "NonEmpty",
    "Policy",
    "Production",
    "Replies",
    "RetryBudget",
    "Section",
    "SendingLimits",
    "SendingWindow",
    "SizeBand",
    "Spend",
    "TemplateEntry",
    "Templates",
    "Timeouts",
    "TitleGroup",
    "Vendor",
    "VendorConfig",
    "VendorLimits",
    "Vendors",
    "WhoPolicy",
    "Work",
]


class Config(Section):
    """All of config/, validated together."""

    production: Production
    icp: Icp
    policy: Policy
    competitors: Competitors
    exclusions: Exclusions
    templates: Templates
    golden_set: GoldenSet
    approvers: Approvers
    replies: Replies
    wording: str = Field(
        description="SHA-256 over the templates, their phrases and the tone corpus: what e-mails "
        "are written from and how they are measured. The crafter validates them."
    )
