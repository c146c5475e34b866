"""Supabase's twin answers as the vendor notes, section 6, say PostgREST does."""

from __future__ import annotations

from typing import Any

import pytest

from servers.sandbox.twin_supabase import LEGACY_KEY, PUBLISHABLE_KEY, SECRET_KEY
from tests.servers.sandbox.conftest import Wire

REST = "/supabase/rest/v1"
ROW = {"key": "k1", "origin": "o", "sandbox": True, "chain": "c", "seq": 1, "hash": "h",
       "at": "2026-03-10T14:00:00Z"}  # fmt: skip


def ask(wire: Wire, method: str, path: str, *, key: str = SECRET_KEY, **more: Any) -> Any:
    headers = {"apikey": key} | more.pop("headers", {})
    return wire(method, f"{REST}/{path}", headers=headers, **more)


def put(wire: Wire, *rows: dict[str, Any], prefer: str = "", query: str = "", **more: Any) -> Any:
    headers = {"Prefer": prefer} if prefer else {}
    return ask(wire, "POST", f"swarm_heads{query}", json=list(rows), headers=headers, **more)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_duplicate_is_refused_ignored_or_merged_as_preferred(wire: Wire) -> None:
    assert put(wire, ROW).status_code == 201
    assert code(put(wire, ROW)) == (409, "23505")
    ignored = "resolution=ignore-duplicates,return=representation"
    assert put(wire, ROW | {"seq": 2}, prefer=ignored).json() == []
    (merged,) = put(
        wire, ROW | {"seq": 3}, prefer="resolution=merge-duplicates,return=representation"
    ).json()
    assert merged["seq"] == 3
    assert [row["seq"] for row in ask(wire, "GET", "swarm_heads").json()] == [3]


@pytest.mark.parametrize(
    ("rows", "more", "expected"),
    [
        ([ROW], {"prefer": "resolution=merge-duplicates", "query": "?on_conflict=chain"},
         (400, "42P10")),
        ([ROW, ROW], {"prefer": "resolution=merge-duplicates"}, (500, "21000")),
        ([ROW, {"key": "k2"}], {}, (400, "PGRST102")),
        ([ROW | {"colour": "red"}], {}, (400, "PGRST204")),
        ([ROW | {"hash": None}], {}, (400, "23502")),
        ([ROW | {"seq": "one"}], {}, (400, "22P02")),
        ([ROW | {"at": "yesterday"}], {}, (400, "22007")),
    ],
)  # fmt: skip
def test_what_postgres_refuses_is_refused_whole(
    wire: Wire, rows: Any, more: Any, expected: tuple[int, str]
) -> None:
    assert code(put(wire, *rows, **more)) == expected
    assert ask(wire, "GET", "swarm_heads").json() == []


def test_columns_that_a_row_lacks_are_null_unless_defaults_are_preferred(wire: Wire) -> None:
    columns = "?columns=" + ",".join([*ROW, "recorded_at"])
    assert code(put(wire, ROW, query=columns)) == (400, "23502")
    assert put(wire, ROW, query=columns, prefer="missing=default").status_code == 201


def test_a_page_is_cut_at_a_thousand_rows_and_nobody_says_so(wire: Wire) -> None:
    rows = [ROW | {"key": f"k{number:04}", "seq": number} for number in range(1005)]
    assert put(wire, *rows).status_code == 201
    whole = ask(wire, "GET", "swarm_heads?order=seq.desc&limit=5000")
    assert (whole.status_code, len(whole.json())) == (200, 1000)
    assert whole.headers["content-range"] == "0-999/*"
    rest = ask(wire, "GET", "swarm_heads?order=seq&offset=1000", headers={
        "Prefer": "count=exact"})  # fmt: skip
    assert [row["seq"] for row in rest.json()] == [1000, 1001, 1002, 1003, 1004]
    assert rest.headers["content-range"] == "1000-1004/1005"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("seq=eq.2", [2]), ("seq=gte.2&seq=lt.4", [2, 3]), ("seq=in.(1,4)", [1, 4]),
        ("key=in.(%22k1%22,%22k3%22)", [1, 3]), ("seq=not.in.(1,2)", [3, 4]),
        ("seq=neq.1&sandbox=eq.true", [2, 3, 4]), ("chain=is.null", []),
        ("at=gte.2026-03-10T15:00:00%2B01:00", [1, 2, 3, 4]), ("sandbox=is.false", []),
    ],
)  # fmt: skip
def test_filters(wire: Wire, query: str, expected: list[int]) -> None:
    put(wire, *(ROW | {"key": f"k{number}", "seq": number} for number in range(1, 5)))
    found = ask(wire, "GET", f"swarm_heads?order=seq&select=seq&{query}").json()
    assert [row["seq"] for row in found] == expected


def test_unknown_columns_filters_and_tables_are_named(wire: Wire) -> None:
    assert code(ask(wire, "GET", "swarm_heads?colour=eq.red")) == (400, "42703")
    assert code(ask(wire, "GET", "swarm_heads?seq=like.1")) == (400, "PGRST100")
    assert code(ask(wire, "GET", "nothing")) == (404, "PGRST205")
    wire.behave(supabase_empty=True)
    assert code(ask(wire, "GET", "swarm_heads")) == (404, "PGRST205")


def test_row_security_empties_answers_and_says_nothing(wire: Wire) -> None:
    put(wire, ROW)
    seen = ask(wire, "GET", "swarm_heads", key=PUBLISHABLE_KEY)
    assert (seen.status_code, seen.json()) == (200, [])
    gone = ask(wire, "DELETE", "swarm_heads?seq=eq.1", key=PUBLISHABLE_KEY)
    assert gone.status_code == 204
    assert code(put(wire, ROW | {"key": "k2"}, key=PUBLISHABLE_KEY)) == (401, "42501")
    assert len(ask(wire, "GET", "swarm_heads").json()) == 1


@pytest.mark.parametrize(
    ("headers", "refuses_bearer", "status"),
    [
        ({}, False, 401),
        ({"apikey": "sb_secret_other"}, False, 401),
        ({"apikey": SECRET_KEY}, False, 200),
        ({"apikey": SECRET_KEY, "Authorization": f"Bearer {SECRET_KEY}"}, False, 200),
        ({"apikey": SECRET_KEY, "Authorization": f"Bearer {SECRET_KEY}"}, True, 401),
        ({"apikey": SECRET_KEY, "Authorization": "Bearer other"}, False, 401),
        ({"apikey": LEGACY_KEY, "Authorization": f"Bearer {LEGACY_KEY}"}, True, 200),
        ({"apikey": SECRET_KEY, "User-Agent": "Mozilla/5.0"}, False, 401),
    ],
)
def test_keys(wire: Wire, headers: Any, refuses_bearer: bool, status: int) -> None:
    wire.behave(supabase_refuses_bearer=refuses_bearer)
    assert wire("GET", f"{REST}/swarm_heads", headers=headers).status_code == status


def test_nothing_is_deleted_without_saying_what(wire: Wire) -> None:
    put(wire, ROW)
    assert code(ask(wire, "DELETE", "swarm_heads")) == (400, "21000")
    assert ask(wire, "DELETE", "swarm_heads?chain=eq.c").status_code == 204
    assert ask(wire, "GET", "swarm_heads").json() == []


def test_what_it_is_told_counts_as_remembered_and_as_no_vendors_write(wire: Wire) -> None:
    put(wire, ROW)
    ask(wire, "PATCH", "swarm_heads?seq=eq.1", json={"hash": "i"})
    ask(wire, "GET", "swarm_heads")
    counts = wire.counts()
    assert counts["by_kind"]["write"] == 0
    assert counts["writes"] == []
    assert counts["by_vendor"]["supabase"]["by_kind"] == {
        "read": 1, "paid_read": 0, "write": 0, "remember": 2
    }  # fmt: skip
