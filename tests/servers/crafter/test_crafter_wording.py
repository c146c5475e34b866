"""Names, titles, roles and headlines are said as a person would say them."""

from __future__ import annotations

import pytest

from servers.crafter import wording

FORMS = frozenset(
    {"inc", "llc", "llp", "ltd", "gmbh", "co", "kg", "corp", "sa", "株式会社", "pty", "bv"}
)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("Northwind Labs, Inc.", "Northwind Labs"),
        ("Northwind Labs LLC", "Northwind Labs"),
        ("Bergmann & Söhne GmbH & Co. KG", "Bergmann & Söhne"),
        ("NORTHWIND STAFFING LLC", "Northwind Staffing"),
        ("northwind staffing", "Northwind Staffing"),
        ("IBM", "IBM"),
        ("Northwind (UK) Ltd", "Northwind"),
        ("Northwind | We build brands", "Northwind"),
        ("Northwind - The data people", "Northwind"),
        ("Northwind.com", "Northwind"),
        ("Acme-Widget Co.", "Acme-Widget"),
        ("Harris & Sons", "Harris & Sons"),
        ("Inc.", "Inc"),
        ("株式会社ミライ", "ミライ"),
        ("ミライ 株式会社", "ミライ"),
        ("Ромашка", "Ромашка"),
        ("Northern Lights International Freight Services", "Northern Lights International"),
    ],
)  # fmt: skip
def test_a_company_is_called_as_people_call_it(stated: str, said: str) -> None:
    assert wording.company_name(stated, FORMS) == said


@pytest.mark.parametrize("stated", ["", "   ", "—", "(LLC)", "x" * 33, "& and &"])
def test_what_is_no_name_is_not_made_one(stated: str) -> None:
    assert wording.company_name(stated, FORMS) is None


@pytest.mark.parametrize(
    ("name", "said"), [("Northwind", "Northwind's"), ("Harris & Sons", "Harris & Sons'")]
)
def test_the_possessive_fits_the_name(name: str, said: str) -> None:
    assert wording.possessive(name) == said


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("FOUNDER & CEO", "Founder & CEO"),
        ("founder/ceo", "Founder/CEO"),
        ("CEO", "CEO"),
        ("VP OF SALES", "VP of Sales"),
        ("Founder (she/her)", "Founder"),
        ("Managing Partner at Northwind, Inc.", "Managing Partner"),
        ("Founder | Speaker | Dad", "Founder"),
        ("Chief Operating Officer, Head of Transformation and Delivery", "Chief Operating Officer"),
        ("Geschäftsführerin", "Geschäftsführerin"),
    ],
)
def test_a_title_is_said_without_ornament(stated: str, said: str) -> None:
    assert wording.title(stated) == said


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("Data Analyst", "a Data Analyst"),
        ("Account Director", "an Account Director"),
        ("SEO Manager", "an SEO Manager"),
        ("HR Lead", "an HR Lead"),
        ("UX Designer", "a UX Designer"),
        ("US Sales Manager", "a US Sales Manager"),
        ("MBA Intern", "an MBA Intern"),
        ("User Researcher", "a User Researcher"),
        ("University Recruiter", "a University Recruiter"),
        ("Unit Manager", "a Unit Manager"),
        ("Unindexed Role", "an Unindexed Role"),
        ("European Counsel", "a European Counsel"),
        ("Honorary Chair", "an Honorary Chair"),
        ("Account Managers", "Account Managers"),
        ("Head of Operations", "a Head of Operations"),
        ("VP Sales", "a VP Sales"),
        ("Engineers for Growth", "Engineers for Growth"),
    ],
)
def test_a_role_gets_the_right_article_or_none(role: str, said: str) -> None:
    assert wording.with_article(role) == said


def test_the_third_and_later_roles_are_counted() -> None:
    assert wording.roles(["Analyst"]) == "an Analyst"
    assert wording.roles(["Analyst", "Buyer"]) == "an Analyst and a Buyer"
    assert wording.roles(["Analyst", "Buyer", "C"]) == "an Analyst, a Buyer and one other role"
    assert wording.roles(["Analyst", "Buyer", *"CDE"]) == (
        "an Analyst, a Buyer and three other roles"
    )
    assert wording.roles(["Analyst", "Buyer", *"ABCDEFGHIJKL"]).endswith("and 12 other roles")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("Data Analyst (m/f/d) - Leeds", "Data Analyst"),
        ("DATA ANALYST", "Data Analyst"),
        ("Senior Data Analyst", "Senior Data Analyst"),
    ],
)
def test_a_role_is_said_without_place_and_brackets(stated: str, said: str) -> None:
    assert wording.role(stated) == said


@pytest.mark.parametrize(
    ("stated", "said"),
    [("ANNA-LENA", "Anna-Lena"), ("anna", "Anna"), ("McKenna", "McKenna"), ("o'neil", "O'Neil"),
     ("美咲", "美咲"), ("ÉLODIE", "Élodie")],
)  # fmt: skip
def test_a_first_name_is_neither_shouted_nor_changed(stated: str, said: str) -> None:
    assert wording.first_name(stated) == said


@pytest.mark.parametrize(
    ("title", "publisher", "said"),
    [
        ("Northwind grows - The Ledger", "The Ledger", "“Northwind grows” (The Ledger)"),
        ("Northwind grows", None, "“Northwind grows”"),
        ("Northwind grows , again : why ?", None, "“Northwind grows, again: why?”"),
        ("Northwind says “yes” to AI.", None, "“Northwind says 'yes' to AI”"),
    ],
)
def test_a_headline_is_quoted_once_with_its_publisher(
    title: str, publisher: str | None, said: str
) -> None:
    assert wording.headline(title, publisher) == said
