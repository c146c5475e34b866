"""Headlines: only those that name the company itself."""

from __future__ import annotations

import pytest

from servers.enricher.headlines import CompanyName, spoken_name, story_key


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("Cedarline Commerce", "Cedarline Commerce opens automated fulfilment centre"),
        ("Cedarline Commerce", "How Cedarline Commerce Cut Its Costs"),
        ("Cedarline Commerce, Inc.", "CEDARLINE COMMERCE TO DOUBLE DELIVERIES"),
        ("Cedarline Commerce", "Cedarline Commerce's new centre opens"),
        ("Cedarline Commerce", "Ohio's Cedarline Commerce is hiring"),
        ("Cedarline Commerce", "Funding: Cedarline Commerce raises 12M"),
        ("Brightforge", "Brightforge raises a growth round"),
        ("Brightforge GmbH", "Report: Brightforge to open in Boston"),
        ("O'Dell & Sons", "O’Dell & Sons wins an award"),
        ("Kaede Advisory", "City picks Kaede Advisory, sources say"),
        ("株式会社カエデ", "株式会社カエデ が新拠点"),
    ],
)
def test_a_headline_that_names_the_company_counts(company: str, title: str) -> None:
    assert CompanyName.of(company).in_headline(title)


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("Brightforge", "Brightforge Labs raises a growth round"),
        ("Brightforge", "Brightforge-backed startup fails"),
        ("Brightforge", "Visit brightforge.io for prizes"),
        ("Harbor Consulting", "Blue Harbor Consulting opens an office"),
        ("Harbor Consulting", "Harbor Consulting Group opens an office"),
        ("Harbor Consulting", "Harbor city hires consulting firm"),
        ("Harbor", "Ships wait in the harbor"),
        ("Harbor", "Harborview opens"),
        ("Summit Partners", "Partners meet at the summit"),
        ("Cedarline Commerce", "Cedarline opens a centre"),
        ("Dell & Sons", "O'Dell & Sons wins an award"),
        ("Becker Ledger", "Smith-Becker Ledger wins"),
    ],
)
def test_a_headline_about_somebody_else_does_not(company: str, title: str) -> None:
    assert not CompanyName.of(company).in_headline(title)


@pytest.mark.parametrize(
    ("company", "distinctive"),
    [
        ("Brightforge", True),
        ("Kaede Advisory", True),
        ("Zed", False),
        ("AB", False),
        ("2024", False),
        ("", False),
        ("Inc.", False),
        ("Co Ltd", False),
        ("!!!", False),
    ],
)
def test_a_name_too_short_to_mean_one_company_is_not_searched(
    company: str, distinctive: bool
) -> None:
    assert CompanyName.of(company).distinctive is distinctive


def test_two_reports_of_one_story_have_one_key() -> None:
    assert story_key("Firm Opens, at last!") == story_key("firm opens at LAST")
    assert story_key("Firm opens") != story_key("Firm closes")


@pytest.mark.parametrize(
    ("company", "spoken"),
    [
        ("Cedarline Commerce, Inc.", "Cedarline Commerce"),
        ("Becker & Co. KG", "Becker"),
        ('The "Quoted" Firm LLC', "The Quoted Firm"),
        ("Limited", "Limited"),
        ("Brightforge", "Brightforge"),
    ],
)
def test_a_name_is_searched_as_the_press_writes_it(company: str, spoken: str) -> None:
    assert spoken_name(company) == spoken
