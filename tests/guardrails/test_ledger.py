"""The send ledger: one row for each write, and no way back for an e-mail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, text

from guardrails.errors import BadInput, NotFound, StoreUnavailable
from guardrails.identity import lead_id
from guardrails.ledger import AlreadySent, Claimed, Ledger, LedgerRefused
from guardrails.model import WriteAction
from guardrails.store import Store
from guardrails.store.write_tables import writes
from tests.conftest import SteppableClock
from tests.decision_samples import section
from tests.guardrails.ledger_samples import (
    LEASE_S,
    MAILBOX,
    SALT,
    STALE_S,
    Book,
    email,
    permit_for,
    write,
)

pytestmark = pytest.mark.anyio
REPEATABLE = [WriteAction.UPSERT_CONTACT, WriteAction.ADD_TAGS, WriteAction.PAUSE_CAMPAIGN]
ONCE = [WriteAction.ADD_NOTE, WriteAction.CREATE_TASK, WriteAction.CREATE_OPPORTUNITY]


@pytest.fixture
def book(sqlite_store: Store, clock: SteppableClock) -> Book:
    return Book(sqlite_store, clock)


@pytest.fixture
def anywhere(store: Store, clock: SteppableClock) -> Book:
    """On both databases."""
    return Book(store, clock)


def refused(book: Book, why: str, key: str, *args: Any, **about: Any) -> LedgerRefused:
    """The claim is refused for this reason and changes nothing."""
    before = [dict(row) for row in _rows(book)]
    with pytest.raises(LedgerRefused) as caught:
        book.claim(key, *args, **about)
    assert caught.value.why == why
    assert [dict(row) for row in _rows(book)] == before
    return caught.value


def _rows(book: Book) -> Any:
    with book.store.read() as conn:
        return conn.execute(select(writes).order_by(writes.c.key)).mappings().all()


def test_a_write_goes_from_claim_to_sent_and_is_not_done_again(anywhere: Book) -> None:
    claimed = anywhere.claim("send:1")
    assert isinstance(claimed, Claimed)
    assert claimed.row.status == "claimed"
    permit = anywhere.bind("send:1")
    anywhere.dispatch("send:1", permit)
    assert anywhere.status("send:1") == "dispatching"
    anywhere.end("send:1", "sent", vendor_ref="m-1", result={"messageId": "m-1"})
    again = anywhere.claim("send:1")
    assert isinstance(again, AlreadySent)
    assert (again.row.vendor_ref, again.row.result) == ("m-1", {"messageId": "m-1"})


def test_a_row_names_nobody(book: Book) -> None:
    book.sent("send:1", email("ana@northwind.example"))
    told = json.dumps([dict(row) for row in _rows(book)])
    assert "@" not in told
    assert "northwind" not in told
    assert "Hello" not in told


@pytest.mark.parametrize(
    "other",
    [
        email("bo@northwind.example"),
        email("ana@northwind.example", body="Hello again"),
        email("ana@northwind.example").model_copy(update={"vendor": "instantly"}),
        email("ana@northwind.example").model_copy(update={"action": WriteAction.ENROL_LEAD}),
    ],
    ids=["recipient", "content", "vendor", "action"],
)
@pytest.mark.parametrize("status", ["claimed", "sent", "pending", "failed", "unknown"])
def test_a_key_stands_for_one_write_for_ever(book: Book, other: Any, status: Any) -> None:
    intent = email("ana@northwind.example")
    if status == "claimed":
        book.claim("send:1", intent)
    else:
        book.dispatched("send:1", intent)
        book.end("send:1", status)
    refused(book, "other_write", "send:1", other)


def test_the_same_address_in_another_spelling_is_the_same_write(book: Book) -> None:
    book.claim("send:1", email("ana@northwind.example"))
    assert isinstance(book.claim("send:1", email("Ana@Northwind.example")), Claimed)


def test_a_claim_that_was_not_dispatched_is_superseded_and_its_permit_is_void(
    anywhere: Book,
) -> None:
    anywhere.claim("send:1")
    old = anywhere.bind("send:1")
    anywhere.claim("send:1")
    with pytest.raises(LedgerRefused, match="not this permit"):
        anywhere.dispatch("send:1", old)
    new = anywhere.bind("send:1")
    with pytest.raises(LedgerRefused, match="not this permit"):
        anywhere.dispatch("send:1", old)
    anywhere.dispatch("send:1", new)
    with pytest.raises(LedgerRefused):
        anywhere.dispatch("send:1", new)


def test_a_second_permit_is_not_bound_to_a_claim(book: Book) -> None:
    book.claim("send:1")
    book.bind("send:1", "P-a")
    book.bind("send:1", "P-a")
    with pytest.raises(LedgerRefused):
        book.bind("send:1", "P-b")
    assert book.row("send:1").permit_id == "P-a"


def test_nothing_is_bound_or_dispatched_without_a_claim(book: Book) -> None:
    with pytest.raises(LedgerRefused, match="no write"):
        book.bind("send:1", "P-1")
    book.claim("send:1")
    row = book.row("send:1")
    with pytest.raises(LedgerRefused):
        book.dispatch("send:1", permit_for(row, "P-1"))
    with pytest.raises(LedgerRefused, match="no write"):
        book.dispatch("send:2", permit_for(row, "P-1"))


@pytest.mark.parametrize("field", ["action", "vendor", "recipient_hash", "content_hash"])
def test_a_permit_for_something_else_does_not_dispatch(book: Book, field: str) -> None:
    book.claim("send:1")
    permit = book.bind("send:1").model_copy(update={field: "other"})
    with pytest.raises(LedgerRefused, match="another write"):
        book.dispatch("send:1", permit)
    assert book.status("send:1") == "claimed"


def test_a_claim_is_dispatched_within_its_lease_only(book: Book, clock: SteppableClock) -> None:
    book.claim("send:1")
    permit = book.bind("send:1")
    clock.step(LEASE_S)
    with pytest.raises(LedgerRefused, match="run out"):
        book.dispatch("send:1", permit)
    assert isinstance(book.claim("send:1"), Claimed)


def test_in_flight_nobody_else_may_do_it(book: Book, clock: SteppableClock) -> None:
    book.dispatched("send:1")
    no = refused(book, "in_flight", "send:1")
    assert no.until is not None
    assert (no.until - clock()).total_seconds() == STALE_S


def test_an_email_of_unknown_fate_is_never_done_again(
    anywhere: Book, clock: SteppableClock
) -> None:
    anywhere.dispatched("send:1")
    anywhere.end("send:1", "unknown")
    clock.step(days=400)
    refused(anywhere, "fate_unknown", "send:1")
    anywhere.end("send:1", "pending")  # whoever was at it says that nothing was sent: no way back
    assert anywhere.status("send:1") == "failed"
    refused(anywhere, "ended", "send:1")


@pytest.mark.parametrize("action", REPEATABLE)
@pytest.mark.parametrize("fate", ["unknown", "failed", "pending"])
def test_what_the_vendor_takes_twice_may_be_tried_again(
    book: Book, action: WriteAction, fate: Any
) -> None:
    book.dispatched("w:1", write(action))
    book.end("w:1", fate, vendor_ref="old", note="no answer")
    claimed = book.claim("w:1", write(action))
    assert isinstance(claimed, Claimed)
    assert (claimed.row.note, claimed.row.vendor_ref, claimed.row.permit_id) == (None, None, None)


@pytest.mark.parametrize("action", ONCE)
def test_what_it_would_do_twice_is_not_tried_again_from_unknown(
    book: Book, action: WriteAction
) -> None:
    book.dispatched("w:1", write(action))
    book.end("w:1", "unknown")
    refused(book, "fate_unknown", "w:1", write(action))
    book.resolve("w:1", happened=False)  # a person has looked: it is not there
    assert isinstance(book.claim("w:1", write(action)), Claimed)


def test_a_refused_email_has_ended(book: Book) -> None:
    book.dispatched("send:1")
    book.end("send:1", "failed", note="HTTP 401")
    assert "HTTP 401" in refused(book, "ended", "send:1").message


def test_what_certainly_did_not_leave_may_leave_later(anywhere: Book) -> None:
    anywhere.dispatched("send:1")
    anywhere.end("send:1", "pending", note="no connection was made")
    assert anywhere.row("send:1").ended_at is None
    anywhere.dispatched("send:1")
    anywhere.end("send:1", "sent")
    assert anywhere.status("send:1") == "sent"


@pytest.mark.parametrize("first", ["sent", "failed"])
@pytest.mark.parametrize("second", ["sent", "failed", "unknown", "pending"])
def test_what_has_ended_stays_as_it_ended(book: Book, first: Any, second: Any) -> None:
    book.dispatched("send:1")
    book.end("send:1", first, note="first")
    row = book.end("send:1", second, note="second")
    assert (row.status, row.note) == (first, "first")


@pytest.mark.parametrize("known", ["sent", "failed"])
def test_an_unknown_fate_can_become_known(book: Book, known: Any) -> None:
    book.dispatched("send:1")
    book.end("send:1", "unknown", note="timed out")
    row = book.end("send:1", known, vendor_ref="m-1")
    assert (row.status, row.vendor_ref, row.note) == (known, "m-1", "timed out")


def test_a_late_word_about_an_earlier_dispatch_is_not_heard(
    book: Book, clock: SteppableClock
) -> None:
    old = book.dispatched("w:1", write(WriteAction.ADD_TAGS))
    clock.step(STALE_S)
    new = book.dispatched("w:1", write(WriteAction.ADD_TAGS))
    assert book.end("w:1", "failed", permit_id=old.jti).status == "dispatching"
    assert book.end("w:1", "sent", permit_id=new.jti).status == "sent"


@pytest.mark.parametrize("word", ["failed", "pending"])
def test_that_an_email_did_not_leave_is_heard_only_from_whoever_dispatched_it(
    book: Book, word: Any
) -> None:
    permit = book.dispatched("send:1")
    assert book.end("send:1", word, permit_id=None).status == "dispatching"
    assert book.end("send:1", word, permit_id="P-other").status == "dispatching"
    assert book.end("send:1", word, permit_id=permit.jti).status == word


def test_of_an_unknown_fate_whoever_looked_may_say_that_it_did_not_happen(book: Book) -> None:
    book.dispatched("send:1")
    book.end("send:1", "unknown", permit_id=None)
    assert book.end("send:1", "pending", permit_id=None).status == "unknown"  # nobody's to give
    assert book.end("send:1", "failed", permit_id=None).status == "failed"
    refused(book, "ended", "send:1")


@pytest.mark.parametrize("state", ["pending", "claimed", "dispatching", "unknown"])
def test_what_the_vendor_shows_is_sent_whoever_saw_it_and_keeps_its_budget(
    book: Book, clock: SteppableClock, state: Any
) -> None:
    to, before = email("ana@northwind.example"), clock()
    if state == "claimed":
        book.claim("send:1", to)
        book.bind("send:1", "P-unused")
    else:
        book.dispatched("send:1", to)
        book.end("send:1", state)
    row = book.end("send:1", "sent", permit_id=None, vendor_ref="m-1", note="found")
    assert (row.status, row.vendor_ref) == ("sent", "m-1")
    assert isinstance(book.claim("send:1", to), AlreadySent)
    refused(book, "already_written", "send:2", to, not_since=before)
    with pytest.raises(LedgerRefused):
        book.dispatch("send:1", permit_for(row, "P-unused"))


def test_only_a_claim_is_given_back_before_it_is_dispatched(book: Book) -> None:
    book.claim("send:1")
    for wrong in ("failed", "unknown"):
        assert book.end("send:1", wrong).status == "claimed"
    assert book.end("send:1", "pending").status == "pending"
    with pytest.raises(LedgerRefused):
        book.end("send:2", "sent")


def test_whoever_dies_while_dispatching_leaves_an_unknown_fate(
    anywhere: Book, clock: SteppableClock
) -> None:
    anywhere.dispatched("send:1")
    clock.step(STALE_S - 1)
    assert (anywhere.unknown(), anywhere.sweep()) == ([], ())
    with pytest.raises(BadInput, match="nothing to resolve"):
        anywhere.resolve("send:1", happened=False)
    clock.step(1)
    assert anywhere.unknown() == ["send:1"]
    refused(anywhere, "fate_unknown", "send:1")
    assert anywhere.sweep() == ("send:1",)
    assert (anywhere.status("send:1"), anywhere.sweep()) == ("unknown", ())
    assert "died" in str(anywhere.row("send:1").note)


@pytest.mark.parametrize(("happened", "status"), [(True, "sent"), (False, "failed")])
def test_a_persons_word_ends_an_unknown_fate(book: Book, *, happened: bool, status: str) -> None:
    book.dispatched("send:1")
    book.end("send:1", "unknown")
    with pytest.raises(BadInput, match="reason"):
        book.resolve("send:1", happened=happened, note="  ")
    assert book.resolve("send:1", happened=happened, note=" looked ").note == "looked"
    assert (book.status("send:1"), book.unknown()) == (status, [])
    with pytest.raises(BadInput, match="nothing to resolve"):
        book.resolve("send:1", happened=happened)
    with pytest.raises(NotFound):
        book.resolve("send:2", happened=happened)


def test_who_was_written_to_under_a_tagged_address_is_found_by_the_profile_they_have_now(
    anywhere: Book, clock: SteppableClock
) -> None:
    long_ago = clock()
    by_address = lead_id(SALT, "ana@northwind.example")
    anywhere.sent("send:1", email("ana+x@northwind.example"), lead_id=by_address)
    to = email("ana@northwind.example")  # found for somebody who came with a profile alone
    refused(anywhere, "already_written", "send:2", to, not_since=long_ago, lead_id="L-profile")


def test_who_would_not_be_known_again_gets_no_first_email(
    anywhere: Book, clock: SteppableClock
) -> None:
    """Found by a model: profile and tag together hid who had been written to."""
    known = {"not_since": clock(), "lead_id": "L-profile"}
    tagged = email("ana+x@northwind.example")  # found for somebody who came with a profile alone
    refused(anywhere, "unrecognisable", "send:1", tagged, **known)
    dotted = email("a.na@gmail.com")
    refused(anywhere, "unrecognisable", "send:1", dotted, **known)
    anywhere.sent("send:2", email("ana@northwind.example"), **known)
    refused(anywhere, "already_written", "send:1", tagged, **known)


def test_unknown_fates_are_told_oldest_first(book: Book, clock: SteppableClock) -> None:
    for key in ("send:b", "send:a", "send:c"):
        book.dispatched(key)
        clock.step(1)
    book.end("send:a", "unknown")
    clock.step(STALE_S)
    assert book.unknown() == ["send:b", "send:a", "send:c"]


def test_a_person_gets_one_first_email_under_whatever_key(
    anywhere: Book, clock: SteppableClock
) -> None:
    to = email("ana@northwind.example")
    long_ago = clock()
    clock.step(days=1)
    anywhere.sent("send:1", to, lead_id="L-1")
    same_address = {"not_since": long_ago, "lead_id": "L-9"}
    refused(anywhere, "already_written", "send:2", to, **same_address)
    tagged = email("ana+x@northwind.example")  # the same lead, by its id
    refused(anywhere, "already_written", "send:3", tagged, not_since=long_ago, lead_id="L-1")
    refused(anywhere, "already_written", "send:3", tagged, not_since=long_ago, lead_id="L-9")
    clock.step(1)
    assert isinstance(anywhere.claim("send:4", to, not_since=clock(), lead_id="L-1"), Claimed)
    permit = anywhere.bind("send:4")
    clock.step(1)
    anywhere.dispatch("send:4", permit)  # when it left is what counts
    refused(anywhere, "already_written", "send:6", to, not_since=clock(), lead_id="L-1")
    assert isinstance(anywhere.claim("send:5", to), Claimed)  # a later touch says no such thing


@pytest.mark.parametrize("state", ["claimed", "dispatching", "unknown", "failed", "pending"])
def test_an_email_that_may_have_left_stands_against_another_first_one(
    book: Book, clock: SteppableClock, state: Any
) -> None:
    to, before = email("ana@northwind.example"), clock()
    if state == "claimed":
        book.claim("send:1", to)
    else:
        book.dispatched("send:1", to)
    if state in {"unknown", "failed", "pending"}:
        book.end("send:1", state)
    if state in {"failed", "pending"}:
        assert isinstance(book.claim("send:2", to, not_since=before), Claimed)
    else:
        refused(book, "already_written", "send:2", to, not_since=before)


@pytest.mark.parametrize("key", ["", "x" * 121, "two words", "line\n", "ana@firm.example", "ü"])
def test_a_key_names_nobody_and_is_one_word(book: Book, key: str) -> None:
    with pytest.raises(BadInput, match="key"):
        book.ledger.entry(key, write(WriteAction.ADD_NOTE))


@pytest.mark.parametrize("about", [{}, {"mailbox": MAILBOX}, {"to": "ana@firm.example"}])
def test_an_email_that_could_not_be_counted_is_no_entry(book: Book, about: Any) -> None:
    with pytest.raises(BadInput, match="mailbox"):
        book.ledger.entry("send:1", email("ana@firm.example"), **about)


async def test_a_row_can_be_looked_up_without_a_transaction_of_ones_own(book: Book) -> None:
    assert await book.ledger.recorded("send:1") is None
    book.claim("send:1", lead_id="L-1", run_id="run-1", decision_audit_id="A-1")
    row = await book.ledger.recorded("send:1")
    assert row is not None
    assert (row.lead_id, row.run_id, row.decision_audit_id) == ("L-1", "run-1", "A-1")


def test_without_its_table_nothing_is_claimed(anywhere: Book) -> None:
    with anywhere.store.transaction() as conn:
        conn.execute(text("DROP TABLE writes"))
    with pytest.raises(StoreUnavailable):
        anywhere.claim("send:1")


def test_a_long_reference_is_cut_and_a_long_result_kept(anywhere: Book) -> None:
    anywhere.dispatched("send:1")
    row = anywhere.end("send:1", "sent", vendor_ref="r" * 300, result={"id": "r" * 300})
    assert (row.vendor_ref, row.result) == ("r" * 200, {"id": "r" * 300})


@pytest.mark.parametrize("seconds", [5, 30, 300])
def test_the_configured_ledger_outlives_its_permits_and_calls(
    sqlite_store: Store, clock: SteppableClock, seconds: int
) -> None:
    production = section("production")
    delivery = production.delivery.model_copy(update={"permit_seconds": seconds})
    production = production.model_copy(update={"delivery": delivery})
    book = Book(sqlite_store, clock)
    book.ledger = Ledger.of(production, sqlite_store, clock, SALT)
    book.claim("send:1", tier=1)
    permit = book.bind("send:1")
    clock.step(seconds)
    book.dispatch("send:1", permit)
    clock.step(seconds + production.vendors.ghl.timeouts.total - 1)  # begun at the last moment
    refused(book, "in_flight", "send:1", tier=1)
