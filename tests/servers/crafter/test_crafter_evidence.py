"""What is stale, contradicted, doubtful or unsafe is not written; a plainer e-mail is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from guardrails.model import Draft, Reason


def outcome(writer: Any, *args: Any, **given: Any) -> tuple[Draft, dict[str | None, Reason]]:
    drafted = writer.write(*args, **given)
    assert drafted.draft is not None
    return drafted.draft, {reason.field: reason for reason in drafted.reasons}


@pytest.mark.parametrize("days", [45.01, 400])
def test_evidence_past_its_time_is_not_used(writer: Any, days: float) -> None:
    fact = writer.fact(("Data Analyst",), days=days, ttl_days=1000)
    draft, reasons = outcome(writer, facts={"hiring": fact})
    assert draft.scope.angle == "segment"
    assert reasons["hiring"].code == "evidence_stale"
    assert "Data Analyst" not in draft.body


def test_evidence_on_its_last_day_is_used(writer: Any) -> None:
    draft, _ = outcome(writer, facts={"hiring": writer.fact(("Data Analyst",), days=45)})
    assert draft.scope.angle == "hiring"


def test_the_sources_own_time_limit_counts_when_it_is_shorter(writer: Any) -> None:
    fact = writer.fact(("Data Analyst",), days=3, ttl_days=2)
    _, reasons = outcome(writer, facts={"hiring": fact})
    assert reasons["hiring"].code == "evidence_stale"


def test_evidence_from_the_future_is_not_used(writer: Any) -> None:
    _, reasons = outcome(writer, facts={"hiring": writer.fact(("Data Analyst",), days=-1)})
    assert reasons["hiring"].code == "evidence_stale"


def test_evidence_of_low_confidence_is_not_used(writer: Any) -> None:
    fact = writer.fact(("Data Analyst",), confidence=0.49)
    draft, reasons = outcome(writer, facts={"hiring": fact})
    assert draft.scope.angle == "segment"
    assert reasons["hiring"].code == "evidence_low_confidence"


def test_evidence_of_just_enough_confidence_is_used(writer: Any) -> None:
    fact = writer.fact(("Data Analyst",), confidence=0.5)
    draft, _ = outcome(writer, facts={"hiring": fact})
    assert draft.scope.angle == "hiring"


def test_a_title_that_two_sources_dispute_is_not_used(writer: Any) -> None:
    facts = {"title": writer.fact("Warehouse Assistant"), "hiring": writer.fact(("Analyst",))}
    draft, reasons = outcome(writer, facts=facts)
    assert draft.template == "plain"
    assert reasons["title"].code == "evidence_contradicted"
    assert "Founder" not in draft.body


def test_a_persons_role_is_not_guessed_at_when_the_title_is_disputed(writer: Any) -> None:
    given = {"facts": {"title": writer.fact("Warehouse Assistant")}, "persona": "marketing_leader"}
    draft, _ = outcome(writer, writer.lead(title="Head of Marketing"), **given)
    assert "marketing" not in draft.body


@pytest.mark.parametrize(
    ("row", "source"),
    [
        ("CEO", "Chief Executive Officer"),
        ("Founder", "Founder & CEO"),
        ("Co-Founder", "Managing Director"),
        ("VP Sales", "Vice President of Sales"),
        ("Sr. VP, Operations", "Senior Vice President Operations"),
    ],
)
def test_the_same_role_in_other_words_is_no_dispute(writer: Any, row: str, source: str) -> None:
    facts = {"title": writer.fact(source)}
    draft, _ = outcome(writer, writer.lead(title=row), facts=facts)
    assert draft.scope.angle == "segment"


@pytest.mark.parametrize(
    ("row", "source"), [("VP Sales", "VP Marketing"), ("CEO", "CTO"), ("Owner", "Office Manager")]
)
def test_another_role_is_a_dispute(writer: Any, row: str, source: str) -> None:
    facts = {"title": writer.fact(source)}
    _, reasons = outcome(writer, writer.lead(title=row), facts=facts)
    assert reasons["title"].code == "evidence_contradicted"


def test_a_company_that_two_sources_name_differently_is_not_named(writer: Any) -> None:
    draft, reasons = outcome(writer, facts={"company": writer.fact("Stonebridge Logistics")})
    assert draft.template == "plain_unnamed"
    assert reasons["company"].code == "evidence_contradicted"


def test_a_company_with_another_legal_form_is_the_same_company(writer: Any) -> None:
    draft, _ = outcome(writer, facts={"company": writer.fact("BRIGHTWATER DIGITAL LLC")})
    assert draft.scope.angle == "segment"


def test_an_industry_of_another_segment_is_a_dispute(writer: Any) -> None:
    facts = {"industry": writer.fact(writer.industry("law"))}
    draft, reasons = outcome(writer, facts=facts)
    assert draft.scope.angle == "plain"
    assert reasons["industry"].code == "evidence_contradicted"
    assert "agenc" not in draft.body
    assert "law" not in draft.body


def test_an_industry_that_does_not_fit_the_segment_is_not_spoken_of(writer: Any) -> None:
    lead = writer.lead(industry=writer.industry("law"))
    draft, reasons = outcome(writer, lead, segment="agency")
    assert draft.scope.angle == "plain"
    assert reasons["industry"].code == "evidence_contradicted"
    assert "agenc" not in draft.body
    assert "law" not in draft.body


def test_a_doubtful_source_that_disagrees_silences_the_claim_too(writer: Any) -> None:
    # The gate would see row and source disagree and block; a plainer e-mail passes.
    _, reasons = outcome(writer, facts={"title": writer.fact("Janitor", confidence=0.1)})
    assert reasons["title"].code == "evidence_contradicted"


@pytest.mark.parametrize(
    "title",
    [
        "Brightwater Digital announces layoffs",
        "Brightwater Digital sued over client data",
        "Former Brightwater Digital director dies",
        "Data breach at Brightwater Digital",
        "Brightwater Digital files for bankruptcy",
        "BRIGHTWATER DIGITAL: RANSOMWARE",
        "Brightwater Digital kündigt Stellenabbau an",
        "Brightwater Digital annonce des licenciements",
    ],
)
def test_bad_news_is_never_an_opener_and_silences_good_news(writer: Any, title: str) -> None:
    facts = {
        "hiring": writer.fact(("Data Analyst",)),
        "funding": writer.fact("Series A"),
        "technologies": writer.fact(("HubSpot",)),
    }
    draft, reasons = outcome(writer, news=(writer.news(title), writer.news()), facts=facts)
    assert draft.scope.angle == "tech_stack"
    assert reasons["news"].code == "news_sensitive"
    assert reasons["hiring"].code == "news_sensitive"


def test_a_word_inside_another_word_is_no_bad_news(writer: Any) -> None:
    draft, _ = outcome(writer, news=(writer.news("Brightwater Digital courts new trialists"),))
    assert draft.scope.angle == "news"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"title": "A studio opens in Leeds"}, "news_unrelated"),
        ({"title": "Brightwater Digital открывает вторую студию в городе Лидс"}, "news_language"),
        ({"title": "Brightwater Digital: see https://evil.example"}, "evidence_unsafe"),
        ({"title": "Brightwater Digital " + "grows " * 60}, "evidence_unsafe"),
        ({"published_at": None}, "evidence_missing"),
    ],
)
def test_a_headline_that_cannot_be_quoted_is_passed_over(
    writer: Any, changed: dict[str, Any], code: str
) -> None:
    draft, reasons = outcome(writer, news=(writer.news(**changed),))
    assert draft.scope.angle == "segment"
    assert reasons["news"].code == code


def test_old_news_is_no_news(writer: Any) -> None:
    old = writer.now - timedelta(days=writer.config.production.work.news_max_age_days + 1)
    _, reasons = outcome(writer, news=(writer.news(published_at=old),))
    assert reasons["news"].code == "evidence_stale"


def test_the_newest_quotable_headline_is_quoted(writer: Any) -> None:
    items = (
        writer.news("Brightwater Digital hires in York", published_at=writer.now - timedelta(9)),
        writer.news("Brightwater Digital wins a pitch", published_at=writer.now - timedelta(2)),
        writer.news("Local firms do well", published_at=writer.now - timedelta(1)),
    )
    draft, _ = outcome(writer, news=items)
    assert "“Brightwater Digital wins a pitch” (The Northern Ledger)" in draft.body


def test_a_publisher_that_is_a_web_address_is_not_repeated(writer: Any) -> None:
    draft, _ = outcome(writer, news=(writer.news(publisher="ledger.example"),))
    assert draft.scope.angle == "news"
    assert "ledger" not in draft.body


def test_a_long_headline_is_cut_between_words(writer: Any) -> None:
    title = "Brightwater Digital " + "opens another remarkable studio " * 5
    draft, _ = outcome(writer, news=(writer.news(title.strip()),))
    claim = next(claim for claim in draft.claims if claim.fact == "news")
    assert claim.evidence == title.strip()
    quoted = claim.text.partition("”")[0].removeprefix("“")
    assert quoted.endswith(" …")
    assert len(quoted) <= 93
    assert title.startswith(quoted.removesuffix(" …") + " ")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("Series A, 12M USD", "Brightwater Digital's Series A."),
        ("Seed", "Brightwater Digital's seed round."),
        ("Growth equity, 9M USD", "Brightwater Digital's growth equity round."),
        ("pre-seed round", "Brightwater Digital's pre-seed round."),
    ],
)
def test_a_round_is_named_and_its_amount_is_not(writer: Any, stated: str, said: str) -> None:
    draft, _ = outcome(writer, facts={"funding": writer.fact(stated)})
    assert f"I read about {said}" in draft.body
    assert "USD" not in draft.body


def test_an_unknown_kind_of_funding_is_not_talked_about(writer: Any) -> None:
    _, reasons = outcome(writer, facts={"funding": writer.fact("convertible thing, 3M")})
    assert reasons["funding"].code == "evidence_unsafe"


def test_a_visit_counts_only_when_a_page_was_seen(writer: Any) -> None:
    draft, reasons = outcome(writer, writer.lead(pages_seen=0))
    assert draft.scope.angle == "segment"
    assert reasons["pages_seen"].code == "evidence_missing"


def test_an_old_visit_is_not_mentioned(writer: Any) -> None:
    lead = writer.lead(pages_seen=3, source="rb2b", seen_at=writer.now - timedelta(days=31))
    _, reasons = outcome(writer, lead)
    assert reasons["pages_seen"].code == "evidence_stale"


@pytest.mark.parametrize(
    ("lead", "fact", "named"),
    [
        ("GB", None, True),
        ("US", None, False),
        ("US", "FR", True),
        (None, None, True),
        (None, "US", False),
        ("DE", None, True),
        ("gb", None, True),
        ("UK", None, True),
        (" fr", None, True),
    ],
)
def test_the_source_is_named_unless_every_country_stated_lies_elsewhere(
    writer: Any, lead: str | None, fact: str | None, named: bool
) -> None:
    facts = {"country": writer.fact(fact)} if fact else {}
    draft, _ = outcome(writer, writer.lead(country=lead), facts=facts)
    assert ("I found your details via our own list" in draft.body) is named
    assert ("Clay" in draft.body) is (named and bool(facts))


def test_a_visitors_details_are_said_to_come_from_rb2b(writer: Any) -> None:
    lead = writer.lead(source="rb2b", country=None, seen_at=writer.now)
    draft, _ = outcome(writer, lead)
    assert "I found your details via RB2B" in draft.body
