"""RB2B disconnects whoever answers anything but 200, and never delivers again: nothing is lost."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.gateway.incoming import KEPT_OF_JUNK
from orchestrator.inbox import Inbox
from servers.common.contract_sandbox import RB2B_WEBHOOK_SECRET
from tests.conftest import SteppableClock
from tests.orchestrator.gateway.house import LIMIT, RB2B, REFUSED, VISITOR, House, dripping, house

pytestmark = pytest.mark.anyio


@pytest.fixture
async def door(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> AsyncIterator[House]:
    async with house(hive, sqlite_store, clock) as opened:
        yield opened


async def test_a_visitor_is_stored_as_received_before_the_answer(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    body = json.dumps(VISITOR, indent=3)
    async with house(hive, store, clock) as door:
        for content in (body, body, b"\xff\x00 junk"):
            assert (await door.client.post(RB2B, content=content)).status_code == 200
            clock.step(1)
        visit, junk = await door.rows()
        assert (visit.source, visit.kind, visit.state) == ("rb2b", "visitor", "new")
        assert (visit.body, junk.state) == (body, "junk")
        (work,) = await Inbox(store, clock).next_batch(5)
        assert work.document() == VISITOR


async def test_nothing_of_the_person_stands_in_the_id(door: House) -> None:
    await door.client.post(RB2B, json=VISITOR)
    (row,) = await door.rows()
    assert not any(part in row.id for part in ("ana", "firm", "linkedin"))


async def test_the_same_visit_delivered_again_is_the_same(door: House) -> None:
    again = dict(reversed(VISITOR.items())) | {
        "LinkedIn URL": "HTTPS://www.linkedin.com/in/Ana-Sample/?trk=x",
        "Title": "CEO",
    }
    for body in (VISITOR, VISITOR, again):
        assert (await door.client.post(f"{RB2B}/", json=body)).status_code == 200
    assert len(await door.rows()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"Seen At": "2024-01-01T12:35:56+00:00"},
        {"Captured URL": "https://us.example/contact"},
        {"LinkedIn URL": "https://www.linkedin.com/in/bob-sample"},
        {"LinkedIn URL": None, "Business Email": "bob@firm.example"},
        {"LinkedIn URL": None, "Business Email": None},  # a company-only visit
    ],
)
async def test_another_visit_is_another_delivery(door: House, other: dict[str, object]) -> None:
    for body in (VISITOR, VISITOR | other):
        assert (await door.client.post(RB2B, json=body)).status_code == 200
    assert await door.states() == ["new", "new"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"{}",
        b'{"Captured URL": "https://us.example", "Seen At": "x"}',
        b'{"a": NaN}',
        b"\xff\xfe\x00",
        b"[" * LIMIT,
        b'{"First Name": "Ana"',
    ],
)
async def test_junk_is_answered_with_200_and_kept_once_for_a_person_to_see(
    door: House, body: bytes
) -> None:
    for _ in range(2):
        assert (await door.client.post(RB2B, content=body)).status_code == 200
    (row,) = await door.rows()
    assert row.state == "junk"
    assert row.note
    assert row.body is not None


async def test_a_body_beyond_the_limit_is_answered_with_200_and_kept_in_part(door: House) -> None:
    answer = await door.client.post(RB2B, content=b'{"First Name": "' + b"x" * 40 * LIMIT)
    assert answer.status_code == 200
    (row,) = await door.rows()
    assert (row.state, len(row.body)) == ("junk", min(LIMIT, KEPT_OF_JUNK))
    assert "larger" in row.note


async def test_a_body_that_never_ends_is_answered_with_200_in_time(door: House) -> None:
    answer = await door.client.post(RB2B, content=dripping(b'{"First', b' Name":'))
    assert answer.status_code == 200
    (row,) = await door.rows()
    assert (row.state, row.body) == ("junk", '{"First Name":')


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/rb2b/wrong",
        f"/webhooks/rb2b/{RB2B_WEBHOOK_SECRET[:-1]}",
        f"/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}x",
        f"/webhooks/rb2b/{RB2B_WEBHOOK_SECRET.upper()}",
        f"/webhooks/rb2b/x/{RB2B_WEBHOOK_SECRET}",
        f"/webhooks/instantly/{RB2B_WEBHOOK_SECRET}",
        "/webhooks/rb2b/",
        "/webhooks/rb2b/%00%ff",
        "/webhooks/rb2b/" + "x" * 2000,
    ],
)
async def test_a_wrong_secret_looks_like_a_path_that_is_not_there(door: House, path: str) -> None:
    nowhere = await door.client.post("/nowhere", json=VISITOR)
    for method in ("POST", "GET", "DELETE"):
        answer = await door.client.request(method, path, json=VISITOR)
        assert (answer.status_code, answer.text) == (404, nowhere.text)
    assert await door.rows() == []


async def test_without_a_secret_of_ours_the_door_is_closed(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    async with house(hive, sqlite_store, clock, values={}) as door:
        assert (await door.client.post(RB2B, json=VISITOR)).status_code == 404
        assert (await door.client.post("/webhooks/rb2b/", json=VISITOR)).status_code == 404


async def test_who_knows_the_secret_is_told_that_a_webhook_takes_post(door: House) -> None:
    assert (await door.client.get(RB2B)).status_code == 405


async def test_refusals_of_one_address_become_429_and_the_authentic_still_enters(
    door: House,
) -> None:
    answers = [await door.client.post("/webhooks/rb2b/guess") for _ in range(REFUSED + 3)]
    assert [answer.status_code for answer in answers] == [404] * REFUSED + [429] * 3
    assert (await door.client.post(RB2B, json=VISITOR)).status_code == 200
    elsewhere = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}
    other = await door.client.post("/webhooks/rb2b/guess", headers=elsewhere)
    assert other.status_code == 404
    door.clock.step(60)
    assert (await door.client.post("/webhooks/rb2b/guess")).status_code == 404


async def test_neither_secret_nor_body_is_logged(door: House) -> None:
    with capture_logs() as logs:
        await door.client.post(RB2B, content="ana@firm.example and no JSON")
        await door.client.post("/webhooks/rb2b/guessed-secret", content="bob@firm.example")
    assert len(logs) == 2
    for word in (RB2B_WEBHOOK_SECRET, "guessed-secret", "firm.example"):
        assert word not in repr(logs)


@asynccontextmanager
async def locked(store: Store) -> AsyncIterator[None]:
    """The database as somebody else's long write leaves it."""
    with store.transaction():
        yield


async def test_with_the_database_away_a_visitor_is_on_disk_before_the_answer_and_moves_in_once(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    async with house(hive, sqlite_store, clock, patience_s=0.05) as door:
        async with locked(sqlite_store):
            for _ in range(3):
                assert (await door.client.post(RB2B, json=VISITOR)).status_code == 200
        seen = clock()
        assert door.intake.spool.waiting() > 0
        clock.step(90)
        await door.intake.absorb()
        assert door.intake.spool.waiting() == 0
        (work,) = await Inbox(sqlite_store, clock).next_batch(5)
        assert work.received_at == seen
        assert await door.intake.absorb() == 0


async def test_only_when_neither_database_nor_disk_takes_it_the_answer_is_503(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    (hive.path / "inbox_spool").write_text("a file where the directory should be")
    async with house(hive, sqlite_store, clock, patience_s=0.05) as door:
        async with locked(sqlite_store):
            answer = await door.client.post(RB2B, json=VISITOR)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
