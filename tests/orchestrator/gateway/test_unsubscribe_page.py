"""Leaving: a look changes nothing, one POST is enough, and no wish is lost."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from guardrails.audit import AuditLog
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import suppressions
from guardrails.suppression import is_suppressed
from guardrails.unsubscribe import token
from servers.common.contract_sandbox import environment
from tests.conftest import SteppableClock
from tests.orchestrator.gateway.house import REFUSED, House, dripping, house

pytestmark = pytest.mark.anyio
LEAD = "L-" + "0a" * 10
ANA = "Ana+crm@firm.example"
ONE_CLICK = b"List-Unsubscribe=One-Click"


@pytest.fixture
async def door(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> AsyncIterator[House]:
    values = environment() | {"SENDER_COMPANY": "Firm & <Sons>"}
    async with house(hive, sqlite_store, clock, values=values) as opened:
        yield opened


def path(hive: Hive, email: str = ANA, lead: str = LEAD) -> str:
    return f"/unsubscribe/{token(hive.salt(), lead, email)}"


def suppressed(store: Store, hive: Hive, email: str = "ana@firm.example") -> str | None:
    with store.read() as conn:
        return is_suppressed(conn, hive.salt(), email)


async def test_looking_changes_nothing_however_it_is_looked_at(door: House, hive: Hive) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND"):
        answer = await door.client.request(method, path(hive), content=ONE_CLICK)
        assert answer.status_code == (200 if method in ("GET", "HEAD") else 405)
    prefetch = {"purpose": "prefetch", "sec-purpose": "prefetch", "user-agent": "a mail scanner"}
    await door.client.get(path(hive), headers=prefetch, params={"List-Unsubscribe": "One-Click"})
    assert suppressed(door.store, hive) is None
    assert await door.rows() == []


@pytest.mark.parametrize("body", [ONE_CLICK, b"", b"x" * 100_000])
async def test_one_post_suppresses_at_once_on_record_and_once(
    hive: Hive, store: Store, clock: SteppableClock, body: bytes
) -> None:
    async with house(hive, store, clock) as door:
        for _ in range(3):
            answer = await door.client.post(path(hive), content=body)
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
        assert suppressed(store, hive) == "opt_out"
        (row,) = await door.rows()
        assert (row.source, row.state, row.lead_id) == ("unsubscribe", "new", LEAD)
        assert row.kind == ("one_click" if body == ONE_CLICK else "page")
        assert set(json.loads(row.body)) == {"lead_id", "subject_hash", "via"}
    audit = AuditLog(hive, store, clock)
    (record,) = audit.iter_records()
    audit.close()
    assert (record["kind"], record["lead_id"]) == ("suppression", LEAD)


async def test_multipart_as_some_mailers_post_it_and_capitals_are_fine(
    door: House, hive: Hive
) -> None:
    shouted = path(hive).replace("/unsubscribe/", "")
    answer = await door.client.post(
        f"/unsubscribe/{shouted.upper()}/", files={"List-Unsubscribe": (None, "One-Click")}
    )
    assert answer.status_code == 200
    assert suppressed(door.store, hive) == "opt_out"


async def test_a_body_that_never_ends_does_not_keep_anybody_from_leaving(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    async with house(hive, sqlite_store, clock) as door:
        answer = await door.client.post(path(hive), content=dripping(b"List-"))
        assert answer.status_code == 200
    assert suppressed(sqlite_store, hive) == "opt_out"


async def test_another_persons_link_is_untouched(door: House, hive: Hive) -> None:
    await door.client.post(path(hive))
    assert suppressed(door.store, hive, "bob@firm.example") is None


async def test_a_link_that_is_not_ours_is_not_found_and_nothing_says_why(
    door: House, hive: Hive
) -> None:
    good = path(hive)
    wrong = [
        good[:-3],
        f"{good}a",
        good[:40] + "aaaa" + good[44:],
        "/unsubscribe/",
        "/unsubscribe/x",
    ]
    texts = set()
    for one in wrong:
        shown = await door.client.get(one)
        posted = await door.client.post(one, content=ONE_CLICK)
        assert (shown.status_code, posted.status_code) == (404, 404)
        texts |= {shown.text}
    assert len(texts) == 1
    assert await door.rows() == []


async def test_guessing_is_slowed_down_and_a_real_link_still_works(door: House, hive: Hive) -> None:
    with capture_logs() as logs:
        answers = [await door.client.post("/unsubscribe/x") for _ in range(REFUSED + 1)]
    assert answers[-1].status_code == 429
    assert all(entry["address"] is None for entry in logs)
    assert (await door.client.post(path(hive))).status_code == 200


async def test_the_page_has_one_button_no_script_and_says_who_wrote(
    door: House, hive: Hive
) -> None:
    answer = await door.client.get(path(hive))
    html = answer.text
    assert html.count("<button") == html.count("<form") == html.count("<h1") == 1
    assert re.search(r'<form method="post">', html)
    assert '<html lang="en">' in html
    assert "Firm &amp; &lt;Sons&gt;" in html
    assert not re.search(r"<script|<img|<link|http|javascript", html)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    done = await door.client.post(path(hive))
    assert "<button" not in done.text
    assert "You are unsubscribed" in done.text


@contextmanager
def locked(store: Store) -> Iterator[None]:
    with store.transaction():
        yield


async def test_with_the_database_away_the_wish_is_on_disk_and_counts_when_it_is_back(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    async with house(hive, sqlite_store, clock, patience_s=0.05) as door:
        with locked(sqlite_store):
            assert (await door.client.post(path(hive))).status_code == 200
        await door.intake.absorb()
        assert suppressed(sqlite_store, hive) == "opt_out"
        with sqlite_store.read() as conn:
            assert conn.execute(select(func.count()).select_from(suppressions)).scalar() == 1
        assert await door.states() == ["new"]


async def test_a_wish_that_nothing_can_keep_is_asked_for_again(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    (hive.path / "inbox_spool").write_text("a file where the directory should be")
    async with house(hive, sqlite_store, clock, patience_s=0.05) as door:
        with locked(sqlite_store):
            answer = await door.client.post(path(hive))
    assert answer.status_code == 503
    assert "<button" in answer.text
