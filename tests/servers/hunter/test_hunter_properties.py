"""Any bytes and any table: an answer or a named refusal, and every row exactly once."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails.errors import SwarmError
from servers.hunter.contract import LeadPage
from servers.hunter.reader import Reader
from servers.hunter.rows import Rules
from servers.hunter.source import Source

RULES = Rules(
    salt=b"s" * 32,
    sandbox=True,
    free_mail=frozenset({"gmail.com"}),
    bands=((10, 19), (20, 50), (51, 500)),
)
HEADERS = (
    "Email", "First Name", "Name", "Title", "Company", "Website", "Phone", "LinkedIn URL",
    "Country", "Time Zone", "# Employees", "Technologies", "Opt Out", "Lead Status", "Tags",
    "Last Contacted", "Consent", "Consent Date", "Consent Expiry", "Notes", "",
)  # fmt: skip
CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("a@.,;\t|\"'\n\r -=<>:/0", max_size=10),
    st.sampled_from(
        ["a@firm.example", "B+x@firm.example", "2026-01-01", "51-200", "yes", "n/a", "US"]
    ),
)


def read(content: bytes, limit: int) -> list[LeadPage]:
    reader = Reader(Source(("test",), text=content), RULES)
    try:
        pages = [reader.page(limit)]
        while not reader.exhausted:
            pages.append(reader.page(limit))
        return pages
    finally:
        reader.close()


def rows_of(pages: list[LeadPage]) -> list[int | None]:
    return sorted(
        [lead.row for page in pages for lead in page.leads]
        + [row.row for page in pages for row in page.rejected],
        key=lambda row: row or 0,
    )


@given(content=st.binary(max_size=400), header=st.sampled_from([b"", b"Email,Name\n", b"\xff\xfe"]))
@example(content="\ufeffEmail\nx@y.example".encode("utf-16-le")[:-1], header=b"")
@example(content=b'sep="\nEmail\n', header=b"")
@example(content=b'"', header=b"Email,Name\n")
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_give_pages_or_a_named_error(content: bytes, header: bytes) -> None:
    try:
        pages = read(header + content, 3)
    except SwarmError as refused:
        pages = []
        said = refused.as_failure()
        complete = bool(said.message and said.remedy)
    else:
        complete = True
    assert complete
    assert rows_of(pages) == list(range(1, sum(page.rows_read for page in pages) + 1))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    more = draw(st.lists(st.sampled_from(HEADERS), min_size=1, max_size=6))
    header = draw(st.permutations(["Email", *more]))
    row = st.lists(CELLS, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, max_size=8))


@given(
    table=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    limit=st.integers(1, 4),
)
@settings(max_examples=150, deadline=None)
def test_every_row_of_a_written_table_ends_exactly_once(
    table: tuple[list[str], list[list[str]]],
    delimiter: str,
    encoding: str,
    quoting: int,
    limit: int,
) -> None:
    header, rows = table
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(header)
    writer.writerows(rows)
    pages = read(out.getvalue().encode(encoding), limit)
    assert rows_of(pages) == list(range(1, len(rows) + 1))
    assert all(row.reasons for page in pages for row in page.rejected)


@given(note=st.text("ab ,;@\n\r\t|", max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_quoted_note_of_any_shape_keeps_its_row_and_the_next(note: str) -> None:
    """Only a note whose every line looks like a full row with an address may be split."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["Email", "Title", "Company", "City", "State", "Notes"])
    writer.writerow(["a@firm.example", "CEO", "Firm", "Paris", "", note])
    writer.writerow(["b@firm.example", "CTO", "Firm", "Paris", "", "fine"])
    pages = read(out.getvalue().encode(), 10)
    assert [lead.email for lead in pages[0].leads] == ["a@firm.example", "b@firm.example"]


@pytest.mark.parametrize("stray", ['"', '""', '"x', 'x"', '"x" y', '\\"', '"""', '",'])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_stray_quote_costs_at_most_its_own_row(stray: str, column: int) -> None:
    rows = [[f"Ann{n}", f"Firm {n}", f"p{n}@firm{n}.example"] for n in range(6)]
    rows[2][column] = stray + rows[2][column]
    text = "Name,Company,Email\n" + "".join(",".join(row) + "\n" for row in rows)
    leads = [lead for page in read(text.encode(), 10) for lead in page.leads]
    others = [lead.email for lead in leads if lead.row != 3]
    assert others == [f"p{n}@firm{n}.example" for n in (0, 1, 3, 4, 5)]
