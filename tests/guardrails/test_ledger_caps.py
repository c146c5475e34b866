"""The sending caps, decided by the ledger: exact, and with the moment at which there is room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.config.models import SendingLimits
from guardrails.errors import BadInput, NotYet
from guardrails.identity import subject_hash
from guardrails.ledger import Claimed, LedgerRefused
from guardrails.ledger_pauses import of_mailbox, pauses
from guardrails.model import WriteAction
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.guardrails.ledger_samples import LEASE_S, MAILBOX, SALT, Book, email, limits, write

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 3, 11, tzinfo=UTC)  # the next one, of the clock's day


@pytest.fixture
def make(sqlite_store: Store, clock: SteppableClock) -> Any:
    return lambda zone="UTC", **changes: Book(sqlite_store, clock, limits(**changes), zone)


def waits(book: Book, key: str, because: str, until: datetime, **about: Any) -> NotYet:
    """The claim waits for this cap until then, and not a moment longer."""
    with pytest.raises(NotYet) as caught:
        book.claim(key, **about)
    assert (caught.value.because, caught.value.not_before) == (because, until)
    return caught.value


def claims(book: Book, key: str, **about: Any) -> None:
    assert isinstance(book.claim(key, **about), Claimed)


def test_a_day_ends_at_midnight(make: Any, clock: SteppableClock) -> None:
    book = make(per_day=2)
    book.sent("a")
    book.sent("b")
    waits(book, "c", "cap_day", MIDNIGHT)
    clock.now = MIDNIGHT - timedelta(microseconds=1)
    waits(book, "c", "cap_day", MIDNIGHT)
    clock.now = MIDNIGHT
    claims(book, "c")


def test_a_day_is_cut_where_the_account_is(make: Any, clock: SteppableClock) -> None:
    book = make("America/New_York", per_day=1)
    clock.now = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    book.sent("a")
    clock.now = datetime(2026, 3, 11, 3, 59, tzinfo=UTC)
    waits(book, "b", "cap_day", datetime(2026, 3, 11, 4, tzinfo=UTC))
    clock.now = datetime(2026, 3, 11, 4, tzinfo=UTC)
    claims(book, "b")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25)], ids=["spring", "autumn"]
)
def test_a_day_is_as_long_as_the_clocks_make_it(
    make: Any, clock: SteppableClock, day: str, hours: int
) -> None:
    book = make("America/New_York", per_day=1)
    starts = datetime.fromisoformat(f"{day}T{'05' if hours == 23 else '04'}:00:00+00:00")
    clock.now = starts
    book.sent("a")
    waits(book, "b", "cap_day", starts + timedelta(hours=hours))


def test_an_hour_rolls(make: Any, clock: SteppableClock) -> None:
    book, first = make(per_hour=2), clock()
    book.sent("a")
    clock.step(600)
    book.sent("b")
    clock.step(600)
    waits(book, "c", "cap_hour", first + HOUR)
    clock.now = first + HOUR - timedelta(microseconds=1)
    waits(book, "c", "cap_hour", first + HOUR)
    clock.now = first + HOUR
    claims(book, "c")
    waits(book, "d", "cap_hour", first + HOUR + timedelta(seconds=600))


def test_one_companys_domain_gets_a_few_an_hour_whoever_is_written_to(
    make: Any, clock: SteppableClock
) -> None:
    book, first = make(per_recipient_domain_hour=2), clock()
    book.sent("a", email("ana@northwind.example"))
    clock.step(1)
    book.sent("b", email("bo@mail.northwind.example"))
    with pytest.raises(NotYet) as caught:
        book.claim("c", email("cy@northwind.example"))
    assert caught.value.because == "cap_recipient_domain_hour"
    assert caught.value.not_before == first + HOUR
    claims(book, "d", intent=email("ana@southwind.example"))


def test_a_mailbox_sends_so_many_a_day_and_another_one_still_may(make: Any) -> None:
    book = make(per_mailbox_day=1)
    book.sent("a")
    waits(book, "b", "cap_mailbox_day", MIDNIGHT)
    claims(book, "c", mailbox="sam@chiefaiofficer.example")


def test_nothing_but_emails_counts(make: Any) -> None:
    book = make(per_day=1, per_hour=1, spacing_s=45)
    for number in range(3):
        book.sent(f"note:{number}", write(WriteAction.ADD_NOTE, n=number))
    claims(book, "a")


@pytest.mark.parametrize("state", ["claimed", "dispatching", "unknown", "sent"])
def test_what_may_have_left_keeps_its_budget(make: Any, state: Any) -> None:
    book = make(per_day=1)
    if state == "claimed":
        book.claim("a")
    else:
        book.dispatched("a")
    if state in {"unknown", "sent"}:
        book.end("a", state)
    waits(book, "b", "cap_day", MIDNIGHT)
    with book.store.read() as conn:
        assert book.ledger.find(conn, "b") is None  # nothing of the refused claim is left behind


@pytest.mark.parametrize("state", ["failed", "pending"])
def test_what_certainly_did_not_leave_gives_its_budget_back(make: Any, state: Any) -> None:
    book = make(per_day=1, per_hour=1, spacing_s=45)
    book.dispatched("a")
    book.end("a", state)
    claims(book, "b")


def test_a_claim_that_nobody_dispatches_gives_its_place_back_after_its_lease(
    make: Any, clock: SteppableClock
) -> None:
    book = make(per_day=1)
    book.claim("a")
    permit = book.bind("a")
    clock.step(LEASE_S - 1)
    waits(book, "b", "cap_day", MIDNIGHT)
    clock.step(1)
    claims(book, "b")
    assert book.status("a") == "pending"
    with pytest.raises(LedgerRefused, match="not this permit"):
        book.dispatch("a", permit)
    waits(book, "a", "cap_day", MIDNIGHT)


def test_ones_own_earlier_claim_is_not_in_the_way(make: Any, clock: SteppableClock) -> None:
    book = make(per_day=1, per_hour=1, per_mailbox_day=1, spacing_s=45)
    book.claim("a")
    clock.step(10)
    claims(book, "a")


def test_emails_leave_apart(make: Any, clock: SteppableClock) -> None:
    book, first = make(spacing_s=45), clock()
    book.sent("a")
    clock.step(44)
    waits(book, "b", "spacing", first + timedelta(seconds=45))
    clock.step(1)
    claims(book, "b")


def test_the_space_is_kept_to_when_the_other_one_left_not_to_when_it_was_asked_for(
    make: Any, clock: SteppableClock
) -> None:
    book, first = make(spacing_s=45), clock()
    book.claim("a")
    permit = book.bind("a")
    clock.step(46)  # nobody knows yet when it will leave
    waits(book, "b", "spacing", first + timedelta(seconds=LEASE_S))
    book.dispatch("a", permit)
    waits(book, "b", "spacing", clock() + timedelta(seconds=45))


def test_what_leaves_after_midnight_counts_on_the_new_day(make: Any, clock: SteppableClock) -> None:
    book = make(per_day=1)
    clock.now = MIDNIGHT - timedelta(seconds=10)
    book.claim("a")
    permit = book.bind("a")
    clock.step(20)
    waits(book, "b", "cap_day", MIDNIGHT + timedelta(days=1))
    book.dispatch("a", permit)
    book.end("a", "sent")
    waits(book, "b", "cap_day", MIDNIGHT + timedelta(days=1))


def test_of_several_caps_the_one_that_frees_last_says_when(
    make: Any, clock: SteppableClock
) -> None:
    book = make(per_day=1, per_hour=1, spacing_s=45)
    book.sent("a")
    no = waits(book, "b", "cap_day", MIDNIGHT)
    for said in ("1 of 1 e-mails today", "within the hour", "45 s apart"):
        assert said in no.message
    clock.now = MIDNIGHT - timedelta(minutes=30)
    other = make(per_hour=1)
    other.claim("c")
    waits(other, "d", "cap_hour", clock() + HOUR)


def test_the_ramp_takes_tier_one_alone_and_few_of_them(make: Any, clock: SteppableClock) -> None:
    book = make(ramp_per_day=2, ramp_clean_days=2)
    for tier in (2, 3, None):
        waits(book, "b", "ramp_tier", MIDNIGHT + timedelta(days=1), tier=tier)
    book.sent("a1", tier=1)
    book.sent("a2", tier=1)
    waits(book, "a3", "cap_day", MIDNIGHT, tier=1)
    clock.step(days=1)
    waits(book, "b", "ramp_tier", MIDNIGHT + timedelta(days=1), tier=2)
    book.sent("a4", tier=1)
    clock.step(days=1)  # two days on which e-mails went out
    claims(book, "b", tier=2)
    assert book.held()["day"]["cap"] == 1000


def test_a_day_without_an_email_is_no_clean_day(make: Any, clock: SteppableClock) -> None:
    book = make(ramp_per_day=1, ramp_clean_days=1)
    book.dispatched("a", tier=1)
    book.end("a", "failed")
    clock.step(days=5)
    waits(book, "b", "ramp_tier", MIDNIGHT + timedelta(days=5), tier=2)


def test_a_clean_day_is_the_one_on_which_the_email_left_not_the_one_it_was_asked_for(
    make: Any, clock: SteppableClock
) -> None:
    book = make(ramp_per_day=5, ramp_clean_days=1)
    clock.now = MIDNIGHT - timedelta(seconds=10)
    book.pause(clock() + timedelta(seconds=1))
    clock.step(1)
    book.claim("a", tier=1)
    permit = book.bind("a")
    clock.now = MIDNIGHT + timedelta(seconds=10)
    book.dispatch("a", permit)
    book.end("a", "sent")
    waits(book, "b", "ramp_tier", MIDNIGHT + timedelta(days=1), tier=3)
    clock.now = MIDNIGHT + timedelta(days=1)
    claims(book, "b", tier=3)


def test_a_pause_begins_the_ramp_anew(make: Any, clock: SteppableClock) -> None:
    book = make(ramp_per_day=5, ramp_clean_days=1)
    book.sent("a", tier=1)
    clock.step(days=1)
    claims(book, "b", tier=3)
    book.pause(clock() + timedelta(minutes=1))
    clock.step(days=1)
    waits(book, "c", "ramp_tier", MIDNIGHT + timedelta(days=2), tier=3)
    book.sent("d", tier=1)
    clock.step(days=1)
    claims(book, "c", tier=3)


def test_whoever_wrote_gets_an_answer_whatever_their_tier(make: Any) -> None:
    book = make(ramp_per_day=1, ramp_clean_days=3)
    reply = email("ana@a.example").model_copy(update={"action": WriteAction.REPLY_EMAIL})
    claims(book, "reply:1", intent=reply)
    waits(book, "reply:2", "cap_day", MIDNIGHT, intent=reply)


def test_while_sending_is_paused_no_email_is_claimed(make: Any, clock: SteppableClock) -> None:
    book, until = make(), clock() + timedelta(hours=4)
    assert book.pause(until, reason="5 bounces in an hour")
    no = waits(book, "a", "paused", until)
    assert "5 bounces in an hour" in no.message
    claims(book, "note:1", intent=write(WriteAction.ADD_NOTE))
    clock.now = until
    claims(book, "a")


def test_a_pause_of_one_mailbox_leaves_the_others(make: Any, clock: SteppableClock) -> None:
    book, until = make(), clock() + HOUR
    book.pause(until, of_mailbox(subject_hash(SALT, MAILBOX)))
    waits(book, "a", "paused", until)
    claims(book, "a", mailbox="sam@chiefaiofficer.example")


def test_a_pause_is_made_longer_and_never_shorter(make: Any, clock: SteppableClock) -> None:
    book = make()
    assert book.pause(clock() + 2 * HOUR, reason="bounces")
    assert not book.pause(clock() + HOUR, reason="unsubscribes")
    assert book.pause(clock() + 3 * HOUR, reason="a complaint")
    with book.store.read() as conn:
        (found,) = pauses(conn)
    assert (found.scope, found.until, found.reason) == ("*", clock() + 3 * HOUR, "a complaint")


@pytest.mark.parametrize(("scope", "reason"), [("mailbox:", "x"), ("ghl", "x"), ("*", "  ")])
def test_a_pause_says_of_what_and_why(make: Any, clock: Any, scope: str, reason: str) -> None:
    with pytest.raises(BadInput):
        make().pause(clock() + HOUR, scope, reason)


def test_a_mailbox_is_never_set_beyond_the_hard_cap() -> None:
    with pytest.raises(ValueError, match="per_mailbox_day_hard"):
        SendingLimits.model_validate(limits().model_dump() | {"per_mailbox_day": 1001})


def test_the_caps_are_the_same_on_both_databases(store: Store, clock: SteppableClock) -> None:
    given = limits(per_hour=3, per_day=4, spacing_s=45, ramp_clean_days=1, ramp_per_day=4)
    book, first = Book(store, clock, given, "America/New_York"), clock()
    for key in ("a", "b", "c"):
        book.sent(key, tier=1)
        clock.step(45)
    waits(book, "d", "cap_hour", first + HOUR, tier=1)
    clock.now = first + HOUR
    book.sent("d", tier=1)
    waits(book, "e", "cap_day", datetime(2026, 3, 11, 4, tzinfo=UTC), tier=1)
    clock.now = datetime(2026, 3, 11, 4, tzinfo=UTC)
    book.sent("e", tier=4)
    clock.step(45)
    held = book.held(tier=4)
    assert {name: held[name]["held"] for name in ("day", "hour", "mailbox_day")} == {
        "day": 1,
        "hour": 1,
        "mailbox_day": 1,
    }
    assert held["ramping"] is False
