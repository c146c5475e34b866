"""Whether every e-mail says who writes, where they are and how to be left alone. Owns: one letter
of each template, written by the crafter from invented facts, and the shadow run's real ones.

A template that could not be brought to write is named: nobody has seen what it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, select

from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.identity import dedupe_key, lead_id
from guardrails.model import (
    CompetitorFinding,
    CrmView,
    Dossier,
    Fact,
    FactName,
    Lead,
    NewsItem,
    OutreachView,
    Qualification,
    Research,
)
from guardrails.policy import CompiledPolicy, PolicyDocument
from guardrails.policy.words import plain
from guardrails.store.tables import shadow_emails
from orchestrator.preflight.model import Check, fail, ok, unknown
from orchestrator.preflight.servers import Servers
from servers.crafter import contract as crafter
from servers.crafter.contract import TemplateInfo

_PERSON = "ana.reyes@northwind.example"
_NAMED = 5
_FACTS: Mapping[str, Any] = {
    "hiring": ("Data Analyst", "Automation Lead"),
    "funding": "Series A, 12M USD",
    "technologies": ("HubSpot", "Slack"),
    "industry": "marketing agency",
    "employee_count": 120,
}
_ROW: Mapping[str, Any] = {
    "company": "Northwind Studio",
    "title": "Chief Operating Officer",
    "pages_seen": 3,
    "industry": "marketing agency",
}


class Footer:
    """What must stand in every body."""

    def __init__(self, config: Config, address: str) -> None:
        self._opt_outs = CompiledPolicy(PolicyDocument.of(config)).opt_outs
        self._address = plain(address)

    def lacks(self, body: str) -> list[str]:
        """What is not in it; empty when all is."""
        told = plain(body)
        missing = [] if self._address and self._address in told else ["postal address"]
        return missing + ([] if self._opt_outs.search(told) else ["a way to opt out"])


async def check_letters(
    servers: Servers,
    config: Config,
    address: str,
    salt: bytes,
    recorded: Sequence[str],
    clock: Clock,
) -> list[Check]:
    """One letter of each template, and every recorded one.

    Args:
        address: the sender's postal address, as configured.
        recorded: bodies of the latest shadow run.
    """
    footer = Footer(config, address)
    templates = (
        await servers.ask("crafter", crafter.LIST_TEMPLATES, crafter.ListTemplates())
    ).templates
    wanted = {one.id for one in templates}
    lacking: dict[str, list[str]] = {}
    for asked in _tries(templates, config, salt, clock()):
        if asked[0] not in wanted:
            continue
        draft = (await servers.ask("crafter", crafter.WRITE_DRAFT, asked[1])).draft
        if draft is not None and draft.template in wanted:
            wanted.discard(draft.template)
            if missing := footer.lacks(draft.body):
                lacking[draft.template] = missing
    for number, body in enumerate(recorded, 1):
        if missing := footer.lacks(body):
            lacking[f"shadow e-mail {number}"] = missing
    return [_judged(len(templates), wanted, lacking, len(recorded))]


def _judged(
    templates: int, unseen: set[str], lacking: Mapping[str, Sequence[str]], recorded: int
) -> Check:
    if lacking:
        told = "; ".join(
            f"{name} lacks {' and '.join(missing)}"
            for name, missing in list(lacking.items())[:_NAMED]
        )
        return fail("letters", told, "Mend config/templates/_close.j2; set SENDER_POSTAL_ADDRESS.")
    seen = f"{templates - len(unseen)} of {templates} templates and {recorded} shadow e-mails"
    if unseen:
        return unknown(
            "letters", f"{seen} have both; not brought to write: {', '.join(sorted(unseen))}",
            "Look at a letter of each by hand, or take the template out.",
        )  # fmt: skip
    return ok("letters", f"{seen} have both")


def recorded_bodies(conn: Connection, run_id: str | None) -> list[str]:
    """Of a shadow run's e-mails."""
    if run_id is None:
        return []
    found = conn.execute(
        select(shadow_emails.c.document).where(shadow_emails.c.run_id == run_id)
    ).scalars()
    return [str(json.loads(text).get("body") or "") for text in found]


def _tries(
    templates: Sequence[TemplateInfo], config: Config, salt: bytes, now: datetime
) -> Iterator[tuple[str, crafter.WriteDraft]]:
    """For each template a lead that it is meant for and of whom nothing else is known."""
    channels = {entry.id: entry.channel for entry in config.templates.templates}
    steps = {entry.id: entry.step for entry in config.templates.templates}
    for one in templates:
        segment = "agency" if "*" in one.segments else one.segments[0]
        persona = "operations_leader" if "*" in one.personas else one.personas[0]
        dossier = _dossier(one.needs, salt, now, known=channels.get(one.id) == "crm_email")
        about = Qualification(
            score=82, tier=1, parts=(), multiplier=1.0, segment=segment, persona=persona,
            icp_version="preflight",
        )  # fmt: skip
        yield (
            one.id,
            crafter.WriteDraft(dossier=dossier, qualification=about, step=steps.get(one.id, 1)),
        )


def _lead(needs: Sequence[str], salt: bytes) -> Lead:
    return Lead(
        lead_id=lead_id(salt, dedupe_key(_PERSON)),
        dedupe_key=dedupe_key(_PERSON),
        row=1,
        email=_PERSON,
        first_name="Ana",
        last_name="Reyes",
        domain="northwind.example",
        country="US",
        state="NY",
        **{name: _ROW[name] for name in needs if name in _ROW},
    )


def _dossier(needs: Sequence[str], salt: bytes, now: datetime, *, known: bool) -> Dossier:
    facts = {
        name: Fact(
            value=_FACTS[name], source="clay", url="https://northwind.example/news",
            fetched_at=now, ttl_days=30, confidence=0.9,
        )
        for name in get_args(FactName)
        if name in needs and name in _FACTS
    }  # fmt: skip
    headline = NewsItem(
        title="Northwind Studio opens a second office in Springfield",
        url="https://news.example/northwind",
        publisher="Sample Gazette",
        published_at=now,
        fetched_at=now,
        source="gdelt",
    )
    return Dossier(
        lead=_lead(needs, salt),
        facts=facts,
        research=Research(
            news=(headline,) if "news" in needs else (),
            competitor=CompetitorFinding(is_competitor=False, why="no match"),
        ),
        crm=CrmView(contact_id="c1", last_contacted_at=now) if known else CrmView(),
        outreach=OutreachView(),
    )
