"""Every template, for every segment and persona, is an e-mail somebody would send."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from guardrails.model import (
    CompetitorFinding,
    CrmView,
    Dossier,
    Draft,
    Mode,
    OutreachView,
    Qualification,
    Research,
    Scope,
)
from guardrails.policy import CompiledPolicy, GateInputs, PolicyDocument, evaluate
from servers.crafter.settings import SANDBOX_SENDER

PERSONAS = (
    "founder", "executive", "sales_leader", "marketing_leader", "operations_leader",
    "technology_leader", "manager", "other",
)  # fmt: skip
SEGMENTS = (
    "agency", "staffing", "consulting", "law", "accounting", "real_estate", "ecommerce", "saas",
    "it_services", "healthcare", "finance", "manufacturing", "logistics", "construction", "other",
)  # fmt: skip
LEADERS = ("founder", "executive")
LONGEST_COMPANY = "Northern Harbour Freight Services"[:32]


def known(writer: Any) -> Any:
    return CrmView(contact_id="c-1", last_contacted_at=writer.now - timedelta(days=200))


def material(writer: Any, angle: str) -> dict[str, Any]:
    """What a lead must have for an angle to be chosen."""
    return {
        "news": {"news": (writer.news(),)},
        "hiring": {"facts": {"hiring": writer.fact(("Data Analyst", "Account Director"))}},
        "funding": {"facts": {"funding": writer.fact("Series A, 12M USD")}},
        "visitor": {"lead": {"pages_seen": 4}},
        "tech_stack": {"lead": {"technologies": ("HubSpot", "Slack")}},
        "segment": {},
        "plain": {"lead": {"title": None}},
    }[angle]


def draft_for(writer: Any, angle: str, segment: str, persona: str, **changed: Any) -> Draft:
    given = dict(material(writer, angle))
    crm = changed.pop("crm", None)
    lead = writer.lead(segment, **given.pop("lead", {}) | changed)
    drafted = writer.write(lead, segment=segment, persona=persona, crm=crm, **given)
    assert drafted.draft is not None, drafted.reasons
    return drafted.draft


def all_drafts(writer: Any) -> Iterator[Draft]:
    angles = ("news", "hiring", "funding", "visitor", "tech_stack", "segment", "plain")
    for angle, segment, persona in itertools.product(angles, SEGMENTS, PERSONAS):
        for lead_id in ("L-" + "0" * 20, "L-" + "1" * 20):
            yield draft_for(writer, angle, segment, persona, lead_id=lead_id, country="GB")
    for segment, persona in itertools.product(SEGMENTS, PERSONAS):
        for angle in ("news", "plain"):
            yield draft_for(writer, angle, segment, persona, crm=known(writer))


@pytest.fixture(scope="module")
def drafts(writer: Any) -> tuple[Draft, ...]:
    return tuple(all_drafts(writer))


def test_every_template_is_reached(writer: Any, drafts: tuple[Draft, ...]) -> None:
    nameless = writer.write(writer.lead(company=None, title=None)).draft
    known_nameless = writer.write(writer.lead(company=None), crm=known(writer)).draft
    reached = {draft.template for draft in (*drafts, nameless, known_nameless)}
    assert reached == {entry.id for entry in writer.config.templates.templates}


def test_every_body_has_60_to_150_words_and_every_subject_10_to_60_characters(
    drafts: tuple[Draft, ...],
) -> None:
    for draft in drafts:
        assert 60 <= len(draft.body.split()) <= 150, (len(draft.body.split()), draft.body)
        assert 10 <= len(draft.subject) <= 60, draft.subject


def test_the_longest_company_name_still_fits_every_subject(writer: Any) -> None:
    for angle, persona in itertools.product(
        ("news", "hiring", "funding", "visitor", "tech_stack", "segment", "plain"),
        ("founder", "manager"),
    ):
        given = dict(material(writer, angle))
        given["news"] = tuple(
            item.model_copy(update={"title": f"{LONGEST_COMPANY} grows"})
            for item in given.get("news", ())
        )
        lead = writer.lead(company=LONGEST_COMPANY, **given.pop("lead", {}))
        draft = writer.write(lead, persona=persona, **given).draft
        assert draft is not None
        assert draft.scope.angle == angle
        assert LONGEST_COMPANY in draft.subject
        assert len(draft.subject) <= 60, draft.subject


def test_every_email_has_the_parts_that_law_and_manners_want(drafts: tuple[Draft, ...]) -> None:
    for draft in drafts:
        greeting, *_, signature, last = draft.body.split("\n\n")
        assert greeting == "Hi Ana,"
        assert signature == (
            f"{SANDBOX_SENDER.name}\n{SANDBOX_SENDER.company}\n{SANDBOX_SENDER.postal_address}"
        )
        assert 'Reply "no thanks" and I won\'t write again.' in last
        question = draft.body.split("\n\n")[-3]
        assert question.endswith("?"), question
        assert draft.features["cta"] == "question"


def test_a_first_email_to_britain_names_the_source_and_one_to_a_known_contact_does_not(
    drafts: tuple[Draft, ...],
) -> None:
    for draft in drafts:
        named = "I found your details via our own list of business contacts" in draft.body
        assert named is (draft.scope.channel == "cold_email")


def test_no_email_sounds_unlike_the_corpus(writer: Any, drafts: tuple[Draft, ...]) -> None:
    tone = writer.service._judge
    for draft in drafts:
        checks, score = tone.text(draft.subject, draft.body, writer.now)
        assert [check for check in checks if check.verdict != "pass"] == []
        assert score >= 0.85, (score, draft.body)


def test_every_template_beyond_plain_speaks_of_company_and_role(
    drafts: tuple[Draft, ...],
) -> None:
    for draft in drafts:
        kinds = {claim.kind for claim in draft.claims}
        if draft.scope.angle != "plain":
            assert {"company", "role"} <= kinds
            assert draft.features["claims"] == "company+role"
        else:
            assert draft.features["claims"] == "none"


@pytest.mark.parametrize(
    "angle", ["news", "hiring", "funding", "visitor", "tech_stack", "segment", "plain"]
)
def test_the_gate_finds_nothing_to_object_to(writer: Any, angle: str) -> None:
    policy = CompiledPolicy(PolicyDocument.of(writer.config))
    for segment, persona in itertools.product(("agency", "saas", "other"), PERSONAS):
        given = dict(material(writer, angle))
        lead = writer.lead(segment, **given.pop("lead", {}) | {"country": "GB"})
        draft = writer.write(lead, segment=segment, persona=persona, **given).draft
        research = Research(
            news=given.get("news", ()), competitor=CompetitorFinding(is_competitor=False, why="-")
        )
        inputs = GateInputs(
            run_id="r",
            dossier=Dossier(
                lead=lead,
                facts=given.get("facts", {}),
                research=research,
                crm=CrmView(),
                outreach=OutreachView(),
            ),
            qualification=Qualification(
                score=80, tier=1, parts=(), segment=segment, persona=persona, icp_version="1"
            ),
            draft=draft,
            mode=Mode.SHADOW,
            sandbox=True,
            now=writer.now,
            policy_version="1",
            policy_digest="1",
            bank_version="1",
        )
        found = [check for check in evaluate(inputs, policy) if check.verdict != "pass"]
        assert [check.code for check in found] == ["bank_not_consulted"]


def test_no_known_value_stands_in_an_email_outside_a_claim(writer: Any) -> None:
    values = {
        "first_name": "Zorana",
        "title": "Chief Quokka Officer",
        "company": "Xylograph",
    }
    facts = {
        "hiring": writer.fact(("Flugelhorn Engineer",)),
        "funding": writer.fact("Series C, 77M USD"),
        "technologies": writer.fact(("Zwickelwerk",)),
        "city": writer.fact("Ouagadougou"),
        "revenue_usd": writer.fact(987654321),
        "ai_initiative": writer.fact("a skunkworks named Brummagem"),
    }
    secret = ("Ruiz", "brightwater.example", "ana@", "77M", "12M", "Ouagadougou", "987654321",
              "Brummagem", "Xylograph to sell")  # fmt: skip
    for needed in ("news", "hiring", "funding", "technologies", "none"):
        given = {name: fact for name, fact in facts.items() if name == needed or name not in
                 ("hiring", "funding", "technologies")}  # fmt: skip
        news = (writer.news("Xylograph wins a prize"),) if needed == "news" else ()
        draft = writer.write(writer.lead(**values), facts=given, news=news).draft
        assert draft is not None
        rest = f"{draft.subject}\n{draft.body}"
        for claim in sorted(draft.claims, key=lambda claim: -len(claim.text)):
            assert claim.text in rest
            rest = rest.replace(claim.text, "·")
        for value in (*values.values(), "Flugelhorn", "Series C", "Zwickelwerk", *secret):
            assert value not in rest, (needed, value, rest)


def test_each_claim_carries_its_evidence_as_fetched(writer: Any) -> None:
    draft = writer.write(
        writer.lead("consulting", title=None),
        facts={"hiring": writer.fact(("Data Analyst (m/f/d)",)), "title": writer.fact("CEO")},
        segment="consulting",
    ).draft
    claims = {claim.fact: claim for claim in draft.claims}
    assert claims["hiring"].text == "a Data Analyst"
    assert claims["hiring"].evidence == "Data Analyst (m/f/d)"
    assert claims["hiring"].source == "clay"
    assert claims["hiring"].url == "https://data.example/record"
    assert claims["hiring"].fetched_at == writer.now - timedelta(days=3)
    assert claims["hiring"].ttl_days == 45  # the configuration is stricter than the source
    assert claims["title"].kind == "role"
    assert claims["company"].source == "csv"


def test_segments_and_personas_change_what_is_said(writer: Any) -> None:
    by_segment = {draft_for(writer, "segment", s, "founder").body for s in SEGMENTS[:-1]}
    by_persona = {draft_for(writer, "hiring", "law", p).body for p in PERSONAS}
    assert len(by_segment) == len(SEGMENTS) - 1
    assert len(by_persona) == len(PERSONAS)


def test_the_segment_wording_is_used_only_with_evidence_of_the_industry(writer: Any) -> None:
    sure = draft_for(writer, "hiring", "law", "founder")
    unsure = draft_for(writer, "hiring", "law", "founder", industry=None)
    assert "For law firms" in sure.body
    assert "law" not in unsure.body.casefold()
    assert unsure.scope == Scope(segment="law", angle="hiring", persona="founder")
    assert "industry" in {reason.field for reason in unsure.dropped}
