"""Crafter: writes drafts from templates, with a claim ledger, and judges tone."""

from __future__ import annotations

from pydantic import Field

from guardrails.model import Check, Dossier, Draft, Qualification, Reason
from servers.common.contract import Args, Result, ToolSpec

SERVER = "crafter"


class WriteDraft(Args):
    """What the draft is written from."""

    dossier: Dossier = Field(description="Everything known about the lead.")
    qualification: Qualification = Field(description="Score, tier, segment and persona.")
    step: int = Field(default=1, ge=1, le=5, description="Position in the cadence; 1 is first.")


class Drafted(Result):
    """A draft, or why none could be written."""

    draft: Draft | None
    reasons: tuple[Reason, ...] = Field(
        description="Templates and claims that were passed over, and why."
    )


class CheckText(Args):
    """A text to judge."""

    subject: str = Field(description="Subject line.", max_length=1000)
    body: str = Field(description="Plain-text body.", max_length=20_000)


class TextChecks(Result):
    """Content and tone findings."""

    checks: tuple[Check, ...]
    tone_score: float = Field(ge=0, le=1, description="1 is closest to the corpus of good e-mails.")


class ListTemplates(Args):
    """No arguments."""


class TemplateInfo(Result):
    """One template."""

    id: str
    angle: str = Field(description="What it speaks of, e.g. hiring or news.")
    segments: tuple[str, ...] = Field(description="Segments it is for.")
    personas: tuple[str, ...] = Field(description="Personas it is for.")
    needs: tuple[str, ...] = Field(description="Facts without which it is passed over.")
    template_hash: str = Field(description="First 16 digits of its source's SHA-256.")


class TemplateList(Result):
    """All templates, in the order in which they are tried."""

    templates: tuple[TemplateInfo, ...]


WRITE_DRAFT = ToolSpec(
    "write_draft",
    "Write a draft",
    "Choose a template by segment, angle and persona and render it from facts with evidence. "
    "A claim without fresh evidence is dropped and a plainer template used; without any that "
    "fits, the draft is null and the reasons say why. Nothing is stored or sent, and nothing is "
    "approved by it: guardrails' review_lead decides.",
    WriteDraft,
    Drafted,
    outside="lead fields and evidence quoted in the draft",
)
CHECK_TEXT = ToolSpec(
    "check_text",
    "Check subject and body",
    "Judge a subject and body against the content rules and the tone corpus, with reasons. For a "
    "text that a person or a model wrote, before it is proposed; it knows no lead, so claims and "
    "recipient are not judged (guardrails' review_lead does that). Changes nothing.",
    CheckText,
    TextChecks,
    outside="words quoted from the text",
)
LIST_TEMPLATES = ToolSpec(
    "list_templates",
    "List templates",
    "All templates with the segments, personas and facts each is for. To look at what write_draft "
    "chooses from; it chooses by itself.",
    ListTemplates,
    TemplateList,
)
TOOLS = (WRITE_DRAFT, CHECK_TEXT, LIST_TEMPLATES)
