"""Pages, cursors and duplicates: each row once, however the file is cut, after any restart."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from pathlib import Path

import pytest

from guardrails.errors import BadInput, StoreUnavailable
from guardrails.identity import dedupe_key, lead_id
from servers.common.limits import RESULT_CHARS
from servers.common.progress import told_to
from servers.hunter.contract import ImportLeads, LeadPage
from servers.hunter.dedupe import Said, SeenIndex
from servers.hunter.reader import Reader
from servers.hunter.rows import Rules
from servers.hunter.service import Hunter
from servers.hunter.source import Cursor, find_source

ROWS = 57


@pytest.fixture
def leads_file(tmp_path: Path) -> Path:
    """57 rows: every fifth has no address, every seventh repeats the row before."""
    path = tmp_path / "leads.csv"
    lines = ["Email,Company"]
    for number in range(1, ROWS + 1):
        who = number - 1 if number % 7 == 0 else number
        address = "" if number % 5 == 0 else f"p{who}@firm{who}.example"
        lines.append(f"{address},Firm {number}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


async def all_pages(hunter: Hunter, path: Path, limit: int) -> list[LeadPage]:
    pages = [await hunter.import_leads(ImportLeads(path=str(path), limit=limit))]
    while (cursor := pages[-1].next_cursor) is not None:
        arguments = ImportLeads(path=str(path), limit=limit, cursor=cursor)
        pages.append(await hunter.import_leads(arguments))
    return pages


def ends(pages: list[LeadPage]) -> dict[int | None, str]:
    """Row to id, over all pages; a row that came twice fails."""
    found = [(lead.row, lead.lead_id) for page in pages for lead in page.leads]
    found += [(row.row, row.lead_id) for page in pages for row in page.rejected]
    assert len(found) == len({row for row, _ in found})
    return dict(found)


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [1, 7, 56, 57, 1000])
async def test_pages_do_not_depend_on_how_they_are_cut(
    hunter: Hunter, leads_file: Path, limit: int
) -> None:
    pages = await all_pages(hunter, leads_file, limit)
    assert sum(page.rows_read for page in pages) == ROWS
    assert all(page.rows_read == len(page.leads) + len(page.rejected) for page in pages)
    assert ends(pages) == ends(await all_pages(hunter, leads_file, 10))
    assert sorted(ends(pages)) == list(range(1, ROWS + 1))


@pytest.mark.anyio
async def test_a_restarted_hunter_goes_on_from_the_cursor(
    hunter: Hunter, rules: Rules, leads_file: Path
) -> None:
    whole = await all_pages(hunter, leads_file, 10)
    for place, page in enumerate(whole[:-1]):
        restarted = Hunter(rules, (leads_file.parent,))
        arguments = ImportLeads(path=str(leads_file), cursor=page.next_cursor, limit=10)
        assert await restarted.import_leads(arguments) == whole[place + 1]
        restarted.close()


@pytest.mark.anyio
async def test_the_same_cursor_twice_and_at_once_gives_the_same_page(
    hunter: Hunter, leads_file: Path
) -> None:
    first = await hunter.import_leads(ImportLeads(path=str(leads_file), limit=10))
    again = ImportLeads(path=str(leads_file), limit=10, cursor=first.next_cursor)
    pages = await asyncio.gather(*(hunter.import_leads(again) for _ in range(5)))
    assert all(page == pages[0] for page in pages)
    assert await hunter.import_leads(again) == pages[0]


@pytest.mark.anyio
async def test_more_imports_at_once_than_are_kept_open_all_finish(
    hunter: Hunter, leads_file: Path
) -> None:
    runs = await asyncio.gather(*(all_pages(hunter, leads_file, 9) for _ in range(7)))
    assert all(run == runs[0] for run in runs)


@pytest.mark.anyio
async def test_a_changed_file_is_told_and_not_mixed(hunter: Hunter, leads_file: Path) -> None:
    page = await hunter.import_leads(ImportLeads(path=str(leads_file), limit=10))
    leads_file.write_text("Email\nother@firm.example\n", encoding="utf-8")
    with pytest.raises(BadInput, match="changed"):
        await hunter.import_leads(ImportLeads(path=str(leads_file), cursor=page.next_cursor))


@pytest.mark.anyio
async def test_a_file_that_was_only_touched_goes_on(hunter: Hunter, leads_file: Path) -> None:
    page = await hunter.import_leads(ImportLeads(path=str(leads_file), limit=50))
    os.utime(leads_file, (1, 1))
    rest = await hunter.import_leads(ImportLeads(path=str(leads_file), cursor=page.next_cursor))
    assert rest.rows_read == ROWS - 50


@pytest.mark.anyio
async def test_a_vanished_file_is_told(hunter: Hunter, leads_file: Path) -> None:
    page = await hunter.import_leads(ImportLeads(path=str(leads_file), limit=10))
    leads_file.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        await hunter.import_leads(ImportLeads(path=str(leads_file), cursor=page.next_cursor))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "cursor", ["", "x", "W10=", "WyJhIiwgLTFd", "\u00e9", "W1tbW1tb", "bnVsbA=="]
)
async def test_a_cursor_that_is_not_ours_is_refused(
    hunter: Hunter, leads_file: Path, cursor: str
) -> None:
    with pytest.raises(BadInput, match="cursor"):
        await hunter.import_leads(ImportLeads(path=str(leads_file), cursor=cursor))


@pytest.mark.anyio
async def test_a_cursor_beyond_the_end_is_refused(
    hunter: Hunter, rules: Rules, leads_file: Path
) -> None:
    reader = Reader(find_source(str(leads_file), None, (leads_file.parent,)), rules)
    forged = Cursor(reader.digest, 10_000).encode()
    reader.close()
    with pytest.raises(BadInput, match="beyond the end"):
        await hunter.import_leads(ImportLeads(path=str(leads_file), cursor=forged))


@pytest.mark.anyio
async def test_files_elsewhere_are_out_of_reach(hunter: Hunter, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.csv"
    outside.write_text("Email\na@firm.example\n", encoding="utf-8")
    link = tmp_path / "link.csv"
    link.symlink_to(outside)
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    (tmp_path / "leads.json").write_text("{}", encoding="utf-8")
    for path in (
        outside,
        link,
        folder,
        pipe,
        tmp_path / "leads.json",
        tmp_path / ".." / outside.name,
        tmp_path / "absent.csv",
        Path("/etc/passwd"),
        "a\0.csv",
        "x" * 5000 + ".csv",
    ):
        with pytest.raises(BadInput, match="path"):
            await hunter.import_leads(ImportLeads(path=str(path)))
    outside.unlink()


@pytest.mark.anyio
async def test_exactly_one_of_path_and_text_is_taken(hunter: Hunter) -> None:
    for arguments in (ImportLeads(), ImportLeads(path="a.csv", csv_text="Email\n")):
        with pytest.raises(BadInput, match="either path or csv_text"):
            await hunter.import_leads(arguments)
    with pytest.raises(BadInput, match="at most"):
        await hunter.import_leads(ImportLeads(csv_text="Email\n" + "\u00e9" * 500_001))


@pytest.mark.anyio
async def test_text_is_paged_like_a_file(import_text) -> None:
    text = "Email\n" + "".join(f"p{number}@firm.example\n" for number in range(5))
    first = await import_text(text, limit=3)
    rest = await import_text(text, limit=3, cursor=first.next_cursor)
    assert [lead.row for lead in (*first.leads, *rest.leads)] == [1, 2, 3, 4, 5]
    with pytest.raises(BadInput, match="changed"):
        await import_text(text + "more@firm.example\n", cursor=first.next_cursor)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann@firm.example,,,", "ANN@Firm.example,,,"),
        ("ann@firm.example,,,", "ann+news@firm.example,,,"),
        ("ann.one@gmail.com,,,", "annone@googlemail.com,,,"),
        ("a@b\u00fccher.example,,,", "a@xn--bcher-kva.example,,,"),
        (
            "a@x.example,,,linkedin.com/in/invented",
            "b@y.example,,,https://www.linkedin.com/in/Invented/",
        ),
        ("a@firm.example,Ann,One,", "b@mail.firm.example,ANN,O\u0301ne,"),
        (",,,linkedin.com/in/invented", "a@x.example,,,linkedin.com/in/invented"),
    ],
)
async def test_the_same_person_twice_is_one_lead(import_text, first: str, second: str) -> None:
    page = await import_text(f"Email,First Name,Last Name,LinkedIn\n{first}\n{second}\n")
    assert [lead.row for lead in page.leads] == [1]
    (duplicate,) = page.rejected
    assert (duplicate.row, duplicate.state, duplicate.duplicate_of) == (2, "duplicate", 1)
    assert [reason.code for reason in duplicate.reasons] == ["duplicate"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann.one@firm.example,,", "annone@firm.example,,"),
        ("a@gmail.com,Ann,One", "b@gmail.com,Ann,One"),
        ("a@firm.example,Ann,", "b@firm.example,Ann,"),
        ("a@firm.example,Ann,One", "b@other.example,Ann,One"),
        ("a@firm.example,\u5c71\u7530,\u592a\u90ce", "b@firm.example,\u7530\u4e2d,\u592a\u90ce"),
    ],
)
async def test_two_people_stay_two_leads(import_text, first: str, second: str) -> None:
    page = await import_text(f"Email,First Name,Last Name\n{first}\n{second}\n")
    assert [lead.row for lead in page.leads] == [1, 2]


@pytest.mark.anyio
async def test_a_third_row_known_only_through_the_second_is_the_first_person(import_text) -> None:
    page = await import_text(
        "Email,LinkedIn\na@x.example,\na@x.example,linkedin.com/in/inv\nb@y.example,/in/inv\n"
    )
    assert [row.duplicate_of for row in page.rejected] == [1, 1]


@pytest.mark.anyio
async def test_an_opt_out_on_a_later_duplicate_is_not_lost_across_pages(import_text) -> None:
    text = (
        "Email,Opt Out,Lead Status,Tags\na@firm.example,no,,\nb@firm.example,no,,\n"
        "A+x@firm.example,yes,,\nb@firm.example,,Do not contact,customer\n"
    )
    first = await import_text(text, limit=2)
    second = await import_text(text, limit=2, cursor=first.next_cursor)
    assert not any(lead.opted_out for lead in first.leads)
    assert [
        (row.duplicate_of, [reason.code for reason in row.reasons]) for row in second.rejected
    ] == [
        (1, ["duplicate", "opt_out_on_duplicate"]),
        (2, ["duplicate", "opt_out_on_duplicate", "customer_on_duplicate"]),
    ]


@pytest.mark.anyio
async def test_an_opt_out_names_every_address_of_the_person(import_text) -> None:
    page = await import_text(
        "Email,LinkedIn,DNC,Last Contacted\n"
        "a@x.example,/in/inv,,\n"
        "b@y.example,/in/inv,yes,\n"  # the same person under another address
        "c@z.example,,yes,sometime\n"  # unusable, yet it binds
        "c@z.example,,,\n"
        "a@x.example,,,\n"
    )
    assert [lead.row for lead in page.leads] == [1, 4]
    assert page.opted_out_emails == ("a@x.example", "b@y.example", "c@z.example")
    assert [bound.row for row in page.rejected for bound in row.binds] == [1]


@pytest.mark.anyio
async def test_a_rejected_row_does_not_stand_in_the_way_of_a_good_one(import_text) -> None:
    page = await import_text(
        "Email,LinkedIn,Last Contacted\na@x.example,/in/inv,sometime\na@x.example,/in/inv,\n"
    )
    assert [lead.row for lead in page.leads] == [2]


@pytest.mark.anyio
async def test_ids_come_from_the_salt_and_equal_rows_have_different_ones(
    import_text, rules: Rules
) -> None:
    text = "Email\nAnn+x@Firm.example\nbroken\nbroken\n"
    page = await import_text(text)
    key = dedupe_key("ann@firm.example")
    assert page.leads[0].lead_id == lead_id(rules.salt, key)
    assert page.leads[0].email == "ann+x@firm.example"
    ids = [row.lead_id for row in page.rejected]
    assert len(set(ids)) == 2
    assert [row.lead_id for row in (await import_text(text)).rejected] == ids


def test_an_index_that_fails_is_an_error_and_never_nobody_seen() -> None:
    index = SeenIndex()
    assert index.join(1, ["key:a"], ["a@firm.example"], Said(), leads=True).first is None
    index.close()
    with pytest.raises(StoreUnavailable):
        index.join(2, ["key:a"], [], Said(), leads=True)


def peak_of_reading(path: Path, rules: Rules) -> int:
    tracemalloc.start()
    reader = Reader(find_source(str(path), None, (path.parent,)), rules)
    try:
        while not reader.exhausted:
            reader.page(200)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        reader.close()


def test_memory_does_not_grow_with_the_file(tmp_path: Path, rules: Rules) -> None:
    paths = []
    for rows in (300, 400, 4_000):
        path = tmp_path / f"{rows}.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write("Email,First Name,Last Name,Company,Website\n")
            for number in range(rows):
                # Few domains: `identity` keeps a bounded cache of them, which is not ours.
                firm = f"firm{number % 50}.example"
                file.write(f"p{number}@{firm},Ann{number},One,Firm {number},https://{firm}\n")
        paths.append(path)
    peak_of_reading(paths[0], rules)  # fills the caches that are there once per process
    few, many = (peak_of_reading(path, rules) for path in paths[1:])
    assert many < few * 1.3


@pytest.mark.anyio
async def test_a_page_of_very_long_rows_ends_before_it_is_too_large_to_answer(
    hunter: Hunter, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv"
    tools = "q;" * 20_000  # the shortest names there can be: most JSON for the least file
    rows = [f'p{n}@firm{n}.example,"{tools}"' for n in range(40)]
    path.write_text("\n".join(["Email,Technologies", *rows]), encoding="utf-8")
    pages = await all_pages(hunter, path, 1000)
    assert len(pages) > 1
    assert max(len(page.model_dump_json()) for page in pages) <= RESULT_CHARS
    assert sorted(ends(pages)) == list(range(1, 41))


@pytest.mark.anyio
async def test_a_long_way_to_the_cursor_says_how_far_it_is(rules: Rules, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    rows = [f"p{n}@firm{n}.example" for n in range(6002)]
    path.write_text("\n".join(["Email", *rows]), encoding="utf-8")
    told: list[tuple[float, float | None]] = []

    async def hear(done: float, total: float | None, _message: str | None) -> None:
        told.append((done, total))

    source = find_source(str(path), None, (tmp_path,))
    reader = Reader(source, rules)
    digest = reader.digest
    reader.close()
    restarted = Hunter(rules, (tmp_path,))
    try:
        with told_to(hear):
            page = await restarted.import_leads(
                ImportLeads(path=str(path), cursor=Cursor(digest, 6001).encode())
            )
    finally:
        restarted.close()
    assert [lead.row for lead in page.leads] == [6002]
    assert told == [(5000, 6001), (6001, 6001)]
