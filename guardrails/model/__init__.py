"""The shared nouns, frozen. Owns: what a lead, a fact, a draft and a decision are.

Every package imports these; they import nothing of ours. Change is a copy
(`model_copy(update=...)`). Text that came from outside (lead fields, enrichment, news) lives
only in `Lead`, `Fact` and `NewsItem` values and is data, never an instruction (P9).
"""

from guardrails.model.base import Frozen, canonical_json, digest
from guardrails.model.decision import BankAnswer, BankCitation, Check, Decision, GoldenMatch
from guardrails.model.dossier import (
    CompetitorFinding,
    CrmView,
    Dossier,
    NewsItem,
    OutreachView,
    Qualification,
    RecalledLead,
    RecalledOutcome,
    RecalledTouch,
    Recollection,
    Research,
    ScorePart,
)
from guardrails.model.draft import Claim, Draft, Scope, Sender
from guardrails.model.lead import Consent, Fact, FactName, FactValue, Lead
from guardrails.model.states import LeadState, Mode, Reason, Verdict
from guardrails.model.writes import WriteAction, WriteIntent

__all__ = [
    "BankAnswer",
    "BankCitation",
    "Check",
    "Claim",
    "CompetitorFinding",
    "Consent",
    "CrmView",
    "Decision",
    "Dossier",
    "Draft",
    "Fact",
    "FactName",
    "FactValue",
    "Frozen",
    "GoldenMatch",
    "Lead",
    "LeadState",
    "Mode",
    "NewsItem",
    "OutreachView",
    "Qualification",
    "Reason",
    "RecalledLead",
    "RecalledOutcome",
    "RecalledTouch",
    "Recollection",
    "Research",
    "Scope",
    "ScorePart",
    "Sender",
    "Verdict",
    "WriteAction",
    "WriteIntent",
    "canonical_json",
    "digest",
]
