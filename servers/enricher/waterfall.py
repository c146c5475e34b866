"""The waterfall: row → cache → RB2B → Clay, and DNS beside it. Owns: order, stopping, the steps.

The first source that knows a fact keeps it. A paid source is asked only while a needed fact is
unknown, and never about the same lead twice within the cache's time. Refuses to turn a source's
failure into an error, or into "nobody knows": the step says why, the next source is asked, and a
needed fact that stays unknown for it makes the enrichment incomplete, so that the lead waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from guardrails.identity import subject_hash
from guardrails.model import Fact, FactName, Lead, Reason
from servers.common.progress import report
from servers.enricher.cache import Cached, EnrichmentCache
from servers.enricher.contract import (
    ENRICHMENT_INCOMPLETE,
    EnrichLead,
    Enrichment,
    WaterfallStep,
)
from servers.enricher.facts import FactMaker
from servers.enricher.mail import MailLookup
from servers.enricher.sources import Source, SourceAnswer, SourceName

_REMEDIES: Mapping[str, str] = {
    "capped": "the daily cap has room again (`swarm spend`)",
    "paused": "the vendor may be asked again",
    "pending": "the run that was paid for is finished",
    "out_of_credits": "the vendor's credits are topped up",
}


@dataclass
class _Progress:
    """What is known so far, and the steps that led there."""

    need: tuple[FactName, ...]
    facts: dict[FactName, Fact]
    steps: list[WaterfallStep] = field(default_factory=list)
    unheard: list[tuple[Source, SourceAnswer]] = field(default_factory=list)

    @property
    def missing(self) -> tuple[FactName, ...]:
        return tuple(name for name in self.need if name not in self.facts)

    def add(self, facts: Mapping[FactName, Fact]) -> tuple[FactName, ...]:
        """Keep the facts that are new; their names."""
        new = {name: fact for name, fact in facts.items() if name not in self.facts}
        self.facts.update(new)
        return tuple(new)

    def reasons(self) -> tuple[Reason, ...]:
        """Why facts are missing that a source may know: none when every source was heard."""
        found = []
        for source, answer in self.unheard:
            open_facts = [name for name in self.missing if name in source.gives]
            if open_facts:
                found.append(_unheard(source, answer, open_facts))
        return tuple(found)


class Waterfall:
    """Enriches one lead at a time; calls about the same person wait for each other."""

    def __init__(
        self,
        *,
        salt: bytes,
        facts: FactMaker,
        cache: EnrichmentCache,
        sources: Sequence[Source],
        mail: MailLookup,
    ) -> None:
        self._salt = salt
        self._facts = facts
        self._cache = cache
        self._sources = tuple(sources)
        self._mail = mail
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def enrich_lead(self, args: EnrichLead) -> Enrichment:
        """Facts about `args.lead`, and what each source gave.

        Raises:
            BadInput: the lead's address is none.
            StoreUnavailable: cache or paid runs cannot be read or written: nothing is paid for.
            Refused: the mode lock said no.
        """
        lead = args.lead
        subject = subject_hash(self._salt, lead.email) if lead.email else lead.lead_id
        progress = _Progress(args.need, self._facts.of_row(lead))
        progress.steps.append(_row_step(progress))
        lock = self._busy.setdefault(subject, asyncio.Lock())
        async with lock:
            mail = asyncio.create_task(self._mail_step(lead))
            try:
                await self._ask_sources(lead, subject, progress)
            finally:
                dns_facts, dns_step = await mail
        progress.add(dns_facts)
        return Enrichment(
            facts=progress.facts,
            steps=(*progress.steps, dns_step),
            complete=not progress.missing,
            missing=progress.missing,
            incomplete_because=progress.reasons(),
            cost_micros=sum(step.cost_micros for step in progress.steps),
        )

    async def _ask_sources(self, lead: Lead, subject: str, progress: _Progress) -> None:
        cached = await self._cache.find((source.name for source in self._sources), subject)
        progress.steps.append(self._cache_step(cached, progress))
        total = len(self._sources) + 1
        await report(1, total, "cache")
        for done, source in enumerate(self._sources, start=2):
            progress.steps.append(await self._step(source, lead, subject, cached, progress))
            await report(done, total, source.name)

    async def _step(
        self,
        source: Source,
        lead: Lead,
        subject: str,
        cached: Mapping[SourceName, Cached],
        progress: _Progress,
    ) -> WaterfallStep:
        skipped = _why_skip(source, cached, progress)
        if skipped is not None:
            return WaterfallStep(source=source.name, status="skipped", detail=skipped)
        answer = await source.look_up(lead, subject)
        if answer.unanswered:
            progress.unheard.append((source, answer))
        if answer.final:
            await self._cache.put(source.name, subject, lead.lead_id, answer)
        return WaterfallStep(
            source=source.name,
            status=answer.status,
            detail=answer.detail,
            facts=progress.add(answer.facts),
            cost_micros=answer.cost_micros,
        )

    def _cache_step(
        self, cached: Mapping[SourceName, Cached], progress: _Progress
    ) -> WaterfallStep:
        if not cached:
            return WaterfallStep(source="cache", status="no_match", detail="not asked before")
        new = [name for source in self._sources if source.name in cached
               for name in progress.add(cached[source.name].facts)]  # fmt: skip
        dates = (f"{name} {earlier.fetched_at:%Y-%m-%d}" for name, earlier in cached.items())
        return WaterfallStep(
            source="cache",
            status="ok",
            detail=f"asked before: {', '.join(dates)}",
            facts=tuple(new),
        )

    async def _mail_step(self, lead: Lead) -> tuple[dict[FactName, Fact], WaterfallStep]:
        domain = lead.email.rpartition("@")[2] if lead.email else lead.domain
        if not domain:
            return {}, WaterfallStep(source="dns", status="skipped", detail="no domain to ask for")
        accepts = await self._mail.accepts_mail(domain)
        if accepts is None:
            return {}, WaterfallStep(source="dns", status="failed", detail="DNS could not be asked")
        said = "the domain takes mail" if accepts else "the domain takes no mail"
        facts = self._facts.make("dns", {"mx": accepts})
        return facts, WaterfallStep(source="dns", status="ok", detail=said, facts=("mx",))


def _unheard(source: Source, answer: SourceAnswer, facts: Sequence[FactName]) -> Reason:
    remedy = _REMEDIES.get(answer.status, "the source answers")
    return Reason(
        code=ENRICHMENT_INCOMPLETE,
        text=f"{source.name} ({answer.status}): {answer.detail}. Unknown for it: "
        f"{', '.join(facts)}.",
        remedy=f"{remedy}; the lead is tried again later",
    )


def _row_step(progress: _Progress) -> WaterfallStep:
    known = tuple(progress.facts)
    return WaterfallStep(
        source="row",
        status="ok" if known else "no_match",
        detail=f"{len(known)} facts" if known else "the row states nothing",
        facts=known,
    )


def _why_skip(
    source: Source, cached: Mapping[SourceName, Cached], progress: _Progress
) -> str | None:
    if source.name in cached:
        return "answered before, see cache"
    if not progress.missing:
        return "not needed: every needed fact is known"
    return source.unusable
