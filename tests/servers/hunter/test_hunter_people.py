"""What any row of a person says about contacting holds for that person, in whatever order."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.identity import dedupe_key
from servers.hunter.reader import Reader
from servers.hunter.rows import Rules
from servers.hunter.source import Source

RULES = Rules(salt=b"s" * 32, sandbox=True, free_mail=frozenset(), bands=((51, 500),))
COLUMNS = (
    "Email", "Additional Emails", "LinkedIn", "Opt Out", "Customer", "Bounced", "Last Contacted",
)  # fmt: skip
SAID = dict(zip(("opted_out", "customer", "bounced"), COLUMNS[3:6], strict=True))
Row = dict[str, str]


@dataclass
class Told:
    """What became known of the leads: row to flags, the last contact, and who is suppressed."""

    flags: dict[int, set[str]]
    contacts: dict[int, str]
    suppressed: set[str]


def told(rows: list[Row]) -> Told:
    """Every page of the file, with what set-aside rows add to leads given before them."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    reader = Reader(Source(("test",), text=out.getvalue().encode()), RULES)
    found = Told({}, {}, set())
    try:
        while not reader.exhausted:
            page = reader.page(2)
            given_here = [(lead.row or 0, lead) for lead in page.leads]
            bound = [(bound.row, bound) for row in page.rejected for bound in row.binds]
            for number, said in (*given_here, *bound):
                flags = {name for name in SAID if getattr(said, name)}
                found.flags[number] = found.flags.get(number, set()) | flags
                if said.last_contacted_at is not None:
                    found.contacts[number] = f"{said.last_contacted_at:%Y-%m-%d}"
            found.suppressed |= {dedupe_key(email) for email in page.opted_out_emails}
    finally:
        reader.close()
    return found


def names_of(row: Row) -> set[str]:
    """What a row is known by: its address, which may be the second one, and its profile."""
    email = row["Email"] or row["Additional Emails"]
    return {dedupe_key(email) if email else "", row["LinkedIn"].lower()} - {""}


def of_one_person(rows: list[Row], number: int) -> list[Row]:
    """All rows that share a name with this one, or with one that does, and so on."""
    known = names_of(rows[number - 1])
    for _ in rows:
        for names in map(names_of, rows):
            known |= names if names & known else set()
    return [row for row in rows if names_of(row) & known]


ROWS = st.fixed_dictionaries({
    "Email": st.sampled_from(["", "ana@firm.example", "Ana+x@FIRM.example", "bo@firm.example"]),
    "Additional Emails": st.sampled_from(["", "", "cy@firm.example"]),
    "LinkedIn": st.sampled_from(["", "/in/one", "/in/ONE", "/in/two"]),
    "Opt Out": st.sampled_from(["", "", "no", "yes"]),
    "Customer": st.sampled_from(["", "", "yes"]),
    "Bounced": st.sampled_from(["", "", "yes"]),
    # a row with a date that cannot be read gives no lead, and all it says binds nevertheless
    "Last Contacted": st.sampled_from(["", "2026-01-05", "2026-02-05", "some day"]),
}).filter(names_of)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5))
def test_whatever_a_persons_rows_say_holds_for_every_lead_of_theirs(rows: list[Row]) -> None:
    found = told(rows)
    for number, flags in found.flags.items():
        theirs = of_one_person(rows, number)
        said = {name for name, column in SAID.items() if "yes" in {row[column] for row in theirs}}
        assert flags == said
        dates = [row["Last Contacted"] for row in theirs if row["Last Contacted"] > "2"]
        assert found.contacts.get(number) == max((d for d in dates if d < "3"), default=None)
        if "opted_out" in said:
            stated = {dedupe_key(row["Email"]) for row in theirs if row["Email"]}
            assert stated <= found.suppressed
    for row in rows:
        if row["Opt Out"] == "yes" and row["Additional Emails"]:
            assert row["Additional Emails"] in found.suppressed


@pytest.mark.parametrize("unusable_first", [True, False])
def test_an_opt_out_in_a_row_that_gives_no_lead_binds_who_is_known_by_it(
    unusable_first: bool,
) -> None:
    rows = [
        {"LinkedIn": "/in/one", "Opt Out": "yes", "Last Contacted": "some day"},
        {"LinkedIn": "/in/one", "Email": "ana@firm.example"},
    ]
    found = told(rows if unusable_first else rows[::-1])
    assert list(found.flags.values()) == [{"opted_out"}]
    assert found.suppressed == {"ana@firm.example"}


def test_what_joins_two_people_binds_both() -> None:
    found = told([
        {"Email": "ana@firm.example"},
        {"Email": "ana@home.example", "LinkedIn": "/in/one", "Customer": "yes"},
        {"Email": "ana@firm.example", "LinkedIn": "/in/one", "Opt Out": "yes"},
    ])  # fmt: skip
    assert found.flags == {1: {"opted_out", "customer"}, 2: {"opted_out", "customer"}}
    assert found.suppressed == {"ana@firm.example", "ana@home.example"}


def test_whoever_says_no_means_every_address_of_the_row() -> None:
    row = {"Email": "ana@firm.example", "Additional Emails": "a@x.example; b@y.example"}
    assert told([row | {"Opt Out": "yes"}]).suppressed == {
        "ana@firm.example",
        "a@x.example",
        "b@y.example",
    }
    assert told([row]).suppressed == set()


def test_the_newest_contact_counts_whichever_row_has_it() -> None:
    first, second = (
        {"Email": "ana@firm.example", "Last Contacted": day} for day in ("2026-01-05", "2026-02-05")
    )
    assert told([first, second]).contacts == {1: "2026-02-05"}
    assert told([second, first]).contacts == {1: "2026-02-05"}
