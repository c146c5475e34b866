"""Puts the crafter together. Owns: which configuration each part is made from."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from guardrails.clock import Clock
from guardrails.config.loader import config_path
from guardrails.config.models import Config, Icp
from guardrails.model import Sender
from guardrails.policy.case import CompiledPolicy
from guardrails.policy.inputs import PolicyDocument
from servers.crafter.catalog import Catalog
from servers.crafter.evidence import EvidenceRules
from servers.crafter.judge import Judge
from servers.crafter.leaving import LeavingLink
from servers.crafter.phrases import load_phrases
from servers.crafter.service import CrafterService
from servers.crafter.source import SourceNote
from servers.crafter.tone import load_tone


def compose(
    config: Config,
    sender: Sender,
    clock: Clock,
    *,
    sandbox: bool,
    given: Path | None = None,
    leaving: Callable[[CompiledPolicy], LeavingLink | None] = lambda _policy: None,
) -> CrafterService:
    """The service over this configuration; `given` is where config/ is, as for `load_config`.

    Args:
        leaving: links by which people leave, if this policy allows them.

    Raises:
        ConfigError: a template, the phrases or the tone corpus is missing or invalid.
    """
    directory = config_path("templates", given)
    phrases = load_phrases(directory)
    who = config.policy.who
    rules = EvidenceRules(
        phrases=phrases,
        ttl_days=config.templates.fact_ttl_days,
        news_max_age_days=config.production.work.news_max_age_days,
        segment_of=segment_finder(config.icp),
        legal_forms=frozenset(form.casefold() for form in phrases.legal_forms),
    )
    tone = load_tone(config_path("tone_corpus.json", given))
    policy = CompiledPolicy(PolicyDocument.of(config))
    return CrafterService(
        Catalog(config.templates, directory),
        rules,
        Judge(policy, tone, sender, sandbox),
        SourceNote(
            (*who.legitimate_interest_countries, *who.consent_required_countries), phrases.sources
        ),
        sender,
        clock,
        leaving(policy),
    )


def segment_finder(icp: Icp) -> Callable[[str], str | None]:
    """From an industry's words to its segment, by the longest matching words of config/icp.json."""
    segments = {
        word.casefold(): segment
        for group in icp.industries
        for segment, words in group.segments.items()
        for word in (*words, segment, segment.replace("_", " "))
    }
    longest_first = sorted(segments, key=lambda word: (-len(word), word))
    pattern = re.compile(
        rf"(?<!\w)(?:{'|'.join(re.escape(word) for word in longest_first) or '(?!)'})(?!\w)"
    )

    @lru_cache(maxsize=4096)
    def segment_of(industry: str) -> str | None:
        text = " ".join(industry.casefold().split())
        if text in segments:
            return segments[text]
        found = max(pattern.findall(text), key=len, default=None)
        return segments[found] if found is not None else None

    return segment_of
