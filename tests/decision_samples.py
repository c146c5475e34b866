"""Invented leads, dossiers and drafts that pass every rule, for tests to spoil one thing at a time.

`NOW` is a Tuesday, 14:00 UTC: 10:00 in New York.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from guardrails.bank import Bank, create_bank
from guardrails.config.loader import FILES
from guardrails.config.models import Competitors, Exclusions, GoldenSet, Policy, SendingWindow
from guardrails.errors import BadInput
from guardrails.hive import Hive
from guardrails.identity import dedupe_key, lead_id
from guardrails.model import (
    BankAnswer,
    Claim,
    CompetitorFinding,
    CrmView,
    Dossier,
    Draft,
    Fact,
    GoldenMatch,
    Lead,
    Mode,
    NewsItem,
    OutreachView,
    Qualification,
    Research,
    Scope,
    ScorePart,
    Sender,
    Verdict,
)
from guardrails.policy import CompiledPolicy, GateInputs, PolicyDocument, evaluate
from guardrails.policy.evaluate import verdict_of

CONFIG = Path(__file__).parents[1] / "config"
NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
FETCHED = NOW - timedelta(days=2)
ADDRESS = "12 Sample Street, Springfield, IL 62701, USA"
SENDER = Sender(
    name="Robin Hale",
    email="robin.hale@chiefaiofficer.example",
    company="Chief AI Officer Partners",
    postal_address=ADDRESS,
)
SALT = Hive(Path(), sandbox=True).salt()
LEAD = Lead(
    lead_id=lead_id(SALT, "ana.reyes@northwind.example"),
    dedupe_key="ana.reyes@northwind.example",
    row=1,
    email="ana.reyes@northwind.example",
    first_name="Ana",
    last_name="Reyes",
    title="Chief Operating Officer",
    company="Northwind Studio",
    domain="northwind.example",
    country="US",
    state="NY",
)
HIRING = Fact(
    value=("Data Analyst", "Automation Lead"),
    source="clay",
    url="https://northwind.example/jobs",
    fetched_at=FETCHED,
    ttl_days=45,
    confidence=0.9,
)
HEADLINE = NewsItem(
    title="Northwind Studio opens a second office in Springfield",
    url="https://news.example/northwind",
    publisher="Sample Gazette",
    published_at=FETCHED,
    fetched_at=FETCHED,
    source="gdelt",
)
DOSSIER = Dossier(
    lead=LEAD,
    facts={
        "hiring": HIRING,
        "title": HIRING.model_copy(update={"value": "Chief Operating Officer", "url": None}),
        "employee_count": HIRING.model_copy(update={"value": 120}),
    },
    research=Research(
        news=(HEADLINE,), competitor=CompetitorFinding(is_competitor=False, why="no match")
    ),
    crm=CrmView(),
    outreach=OutreachView(),
)
QUALIFICATION = Qualification(
    score=82,
    tier=1,
    parts=(ScorePart(name="size", points=20, of=20, why="51 to 500 employees"),),
    multiplier=1.5,
    segment="agency",
    persona="operations_leader",
    icp_version="test",
)
BODY = f"""Hi Ana,

I saw that Northwind Studio is looking for a Data Analyst. A new hire is a good moment to decide
which part of the work AI should take on, and which part stays with people.

As Chief Operating Officer, you are probably the one who inherits each AI pilot once the
excitement is over.

We act as an outsourced Chief AI Officer. Does anyone hold that job on your team today?

Robin Hale
Chief AI Officer Partners

I found your details via our own list of business contacts.
Chief AI Officer Partners, {ADDRESS}. If you would rather not hear from me, reply "no thanks" and
I won't write again.
"""
CLAIMS = (
    Claim(
        text="a Data Analyst",
        kind="company",
        fact="hiring",
        evidence="Data Analyst; Automation Lead",
        source="clay",
        url="https://northwind.example/jobs",
        fetched_at=FETCHED,
        ttl_days=45,
    ),
    Claim(
        text="Chief Operating Officer",
        kind="role",
        fact="title",
        evidence="Chief Operating Officer",
        source="clay",
        fetched_at=FETCHED,
        ttl_days=180,
    ),
)
DRAFT = Draft(
    subject="Hiring at Northwind Studio, and AI",
    body=BODY,
    claims=CLAIMS,
    template="hiring_leader",
    template_hash="0123456789abcdef",
    scope=Scope(segment="agency", angle="hiring", persona="operations_leader"),
    features={"opener": "hiring", "claims": "company+role", "length": "medium"},
    sender=SENDER,
)
ANSWER = BankAnswer(
    verdict=Verdict.PASS,
    text="No pattern of failure.",
    golden=GoldenMatch(matched=False),
    bank_version="1+test",
)


def section(name: str) -> Any:
    """One validated file of the repository's config/."""
    return FILES[name].model_validate_json((CONFIG / f"{name}.json").read_text(encoding="utf-8"))


def policy_document(**changes: Any) -> PolicyDocument:
    """The repository's policy; `customers` adds domains to the exclusions."""
    policy, exclusions = section("policy"), section("exclusions")
    competitors = section("competitors")
    assert isinstance(policy, Policy)
    assert isinstance(exclusions, Exclusions)
    assert isinstance(competitors, Competitors)
    window = SendingWindow.model_validate(
        {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "08:00", "end": "18:00"}
    )
    return PolicyDocument(
        policy=policy,
        competitors=competitors,
        exclusions=exclusions.model_copy(update=changes),
        sending_window=window,
    )


POLICY = CompiledPolicy(policy_document())


def inputs(**changes: Any) -> GateInputs:
    """Inputs that pass; keyword arguments replace whole fields."""
    fields: dict[str, Any] = {
        "run_id": "run-1",
        "dossier": DOSSIER,
        "qualification": QUALIFICATION,
        "draft": DRAFT,
        "mode": Mode.SHADOW,
        "sandbox": True,
        "now": NOW,
        "policy_version": "test",
        "policy_digest": "0" * 64,
        "bank_version": "1+test",
    }
    return GateInputs(**{**fields, **changes})


def dossier(lead: dict[str, Any] | None = None, **changes: Any) -> Dossier:
    """The passing dossier with some of the lead's fields, or whole parts, replaced."""
    facts = {**DOSSIER.facts, **changes.pop("facts", {})}
    new_lead = LEAD.model_copy(update=known_as((lead or {}).get("email")) | (lead or {}))
    return DOSSIER.model_copy(update={"lead": new_lead, "facts": facts, **changes})


def known_as(email: str | None) -> dict[str, str]:
    """Key and id that the hunter gives a person with this address in a sandbox's hive."""
    try:
        key = dedupe_key(email or "")
    except BadInput:
        return {}
    return {"dedupe_key": key, "lead_id": lead_id(SALT, key)}


def fact(value: Any, **changes: Any) -> Fact:
    """A fresh, trusted fact."""
    return HIRING.model_copy(update={"value": value, "url": None, **changes})


def draft(**changes: Any) -> Draft:
    """The passing draft with some fields replaced."""
    return DRAFT.model_copy(update=changes)


def said(given: GateInputs, answer: BankAnswer | None = ANSWER) -> dict[str, Verdict]:
    """Code to verdict of everything that did not pass."""
    checks = evaluate(given, POLICY, answer)
    return {check.code: check.verdict for check in checks if check.verdict is not Verdict.PASS}


def verdict(given: GateInputs, answer: BankAnswer | None = ANSWER) -> Verdict:
    """The most severe verdict."""
    return verdict_of(evaluate(given, POLICY, answer))


def new_bank(hive: Hive, clock: Any) -> Bank:
    """A bank made from the repository's golden set."""
    golden = section("golden_set")
    assert isinstance(golden, GoldenSet)
    create_bank(hive.bank_file, golden, clock=clock)
    return Bank(hive.bank_file, section("policy").bank, clock)


def pretty(value: Any) -> str:
    """JSON for comparing documents in assertions."""
    return json.dumps(value, sort_keys=True, default=str)
