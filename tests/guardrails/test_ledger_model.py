"""The ledger against a model of plain lists: who gets an e-mail, and how many leave when.

In zones whose days are 23, 25 or 24.5 hours long, with times on and beside every limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from guardrails.errors import NotYet
from guardrails.identity import dedupe_key, lead_id
from guardrails.ledger import HELD, LedgerRefused
from guardrails.store import Store
from guardrails.store.write_tables import sending_pauses, writes
from tests.conftest import SteppableClock
from tests.guardrails.ledger_samples import LEASE_S, SALT, Book, email, limits

HOUR, LEASE = timedelta(hours=1), timedelta(seconds=LEASE_S)
# A day's midnight is skipped, comes twice, or lies beside a change of the clocks.
ZONES = {
    "UTC": "2026-06-01T00:00Z",
    "America/New_York": "2026-11-01T06:00Z",
    "America/Havana": "2026-11-01T05:00Z",
    "Africa/Cairo": "2026-10-29T21:00Z",
    "Asia/Beirut": "2026-03-28T22:00Z",
    "Australia/Lord_Howe": "2026-04-04T15:00Z",
}
MAILBOXES = ("robin@us.example", "sam@us.example")
HOSTS = ("a.example", "mail.a.example", "b.example")
TIERS = (1, 1, None)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
QUIET = [HealthCheck.function_scoped_fixture]


@dataclass
class Mail:
    """What a person would note down of an e-mail."""

    mailbox: str
    host: str
    tier: int | None
    status: str = "none"
    at: datetime = NEVER  # asked for, then gone

    @property
    def company(self) -> str:
        return ".".join(self.host.split(".")[-2:])


class Caps:
    """The ledger and the notes side by side. Every e-mail has a number."""

    def __init__(self, store: Store, zone: str, given: dict[str, int], mails: list[Mail]) -> None:
        with store.transaction() as conn:
            for table in (writes, sending_pauses):
                conn.execute(delete(table))
        self.clock = SteppableClock()
        self.zone, self.limits, self.mails = ZoneInfo(zone), limits(**given), mails
        self.book = Book(store, self.clock, self.limits, zone)

    def day(self, moment: datetime) -> Any:
        return moment.astimezone(self.zone).date()

    def claim(self, number: int) -> None:
        due = self.due(number)
        assert self.asked(number) == due
        if due == "Claimed":
            self.mails[number].status, self.mails[number].at = "claimed", self.clock()

    def send(self, number: int, end: str) -> None:
        """Dispatch what is claimed, and tell how it ended, if it is told."""
        key, mail = f"send:{number}", self.mails[number]
        if mail.status != "claimed" or not self.holds(mail):
            return
        self.book.dispatch(key, self.book.bind(key))
        mail.status, mail.at = "dispatching", self.clock()
        if end != "untold":
            mail.status = self.book.end(key, end).status.value

    def asked(self, number: int) -> str:
        """What the ledger says."""
        mail = self.mails[number]
        to = email(f"p{number}@{mail.host}")
        try:
            said = self.book.claim(f"send:{number}", to, mailbox=mail.mailbox, tier=mail.tier)
        except (LedgerRefused, NotYet) as no:
            return type(no).__name__
        return type(said).__name__

    def due(self, number: int) -> str:
        """What it should say."""
        status = self.mails[number].status
        if status == "sent":
            return "AlreadySent"
        if status in {"failed", "unknown", "dispatching"}:
            return "LedgerRefused"
        return "NotYet" if self.full(number) else "Claimed"

    def full(self, number: int) -> bool:
        """Whether something leaves no room for it."""
        now, own, most = self.clock(), self.mails[number], self.limits
        held = [m for n, m in enumerate(self.mails) if n != number and self.holds(m)]
        waiting = [m for m in held if m.status == "claimed"]
        today = [m for m in held if m in waiting or self.day(m.at) == self.day(now)]
        hour = [m for m in held if m in waiting or m.at > now - HOUR]
        days = {self.day(m.at) for m in self.mails if m.status == "sent"} - {self.day(now)}
        ramping = len(days) < most.ramp_clean_days
        apart = timedelta(seconds=most.spacing_s)
        return (
            len(today) >= (min(most.per_day, most.ramp_per_day) if ramping else most.per_day)
            or sum(m.mailbox == own.mailbox for m in today) >= most.per_mailbox_day
            or len(hour) >= most.per_hour
            or sum(m.company == own.company for m in hour) >= most.per_recipient_domain_hour
            or (ramping and own.tier != 1)
            or bool(apart and (waiting or any(m.at > now - apart for m in held)))
        )

    def holds(self, mail: Mail) -> bool:
        ran_out = mail.status == "claimed" and mail.at <= self.clock() - LEASE
        return mail.status in {str(status) for status in HELD} and not ran_out

    def require_kept(self) -> None:
        """No day, hour or company got more than it may, by when e-mails may have left."""
        gone = [m for m in self.mails if m.status in {"sent", "unknown", "dispatching"}]
        for day in {self.day(m.at) for m in gone}:
            of_day = [m for m in gone if self.day(m.at) == day]
            assert len(of_day) <= self.limits.per_day
            for mailbox in MAILBOXES:
                assert sum(m.mailbox == mailbox for m in of_day) <= self.limits.per_mailbox_day
        _require_apart([m.at for m in gone], self.limits.per_hour, HOUR)
        for company in ("a.example", "b.example"):
            theirs = [m.at for m in gone if m.company == company]
            _require_apart(theirs, self.limits.per_recipient_domain_hour, HOUR)
        _require_apart([m.at for m in gone], 1, timedelta(seconds=self.limits.spacing_s))


def _require_apart(moments: Sequence[datetime], count: int, span: timedelta) -> None:
    ordered = sorted(moments)
    for first, last in zip(ordered, ordered[count:], strict=False):
        assert last - first >= span


CAPS = ("per_day", "per_hour", "per_recipient_domain_hour", "per_mailbox_day")
LIMITS = st.fixed_dictionaries(
    {"spacing_s": st.sampled_from([0, 0, 45]), "ramp_clean_days": st.sampled_from([0, 0, 1, 2])}
)
MAILS = st.lists(
    st.builds(Mail, st.sampled_from(MAILBOXES), st.sampled_from(HOSTS), st.sampled_from(TIERS)),
    min_size=6,
    max_size=6,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("claim", "send", "both", "both")),
        st.integers(0, 5),
        st.sampled_from(("sent", "sent", "sent", "untold", "unknown", "failed", "pending")),
        st.sampled_from((0, 0, 1, 44, 45, 59, 60, 3599, 3600, 3600, 40_000, 86_400)),
    ),
    min_size=8,
    max_size=24,
)


@settings(max_examples=40, suppress_health_check=QUIET)
@given(
    zone=st.sampled_from(sorted(ZONES)),
    before=st.sampled_from((0, 1, 30, 3600, 86_400, 90_000)),
    tight=st.dictionaries(st.sampled_from(CAPS), st.integers(1, 2), min_size=1, max_size=2),
    others=LIMITS,
    mails=MAILS,
    steps=STEPS,
)
def test_no_day_hour_mailbox_or_company_gets_more_and_none_less_than_it_may(
    sqlite_store: Store,
    zone: str,
    before: int,
    tight: dict[str, int],
    others: dict[str, int],
    mails: list[Mail],
    steps: list[tuple[str, int, str, int]],
) -> None:
    notes = [Mail(m.mailbox, m.host, m.tier) for m in mails]
    caps = Caps(sqlite_store, zone, tight | others, notes)
    caps.clock.now = datetime.fromisoformat(ZONES[zone]) - timedelta(seconds=before)
    for what, number, end, wait in steps:
        if what != "send":
            caps.claim(number)
        if what != "claim":
            caps.send(number, end)
        caps.require_kept()
        caps.clock.step(wait)


SPELLINGS = (
    ("ana@firm.example", "ANA@Firm.example.", "ana+a@firm.example", "ana+b@firm.example"),
    ("bo@gmail.com", "b.o@gmail.com", "b.o+x@googlemail.com"),
)
WHO = st.sampled_from(range(2)).flatmap(
    lambda who: st.tuples(
        st.just(who), st.sampled_from(SPELLINGS[who]), st.sampled_from((None, "one", "two"))
    )
)


@settings(max_examples=40, suppress_health_check=QUIET)
@given(
    asked=st.lists(
        st.tuples(WHO, st.sampled_from(("sent", "untold", "unknown", "failed", "pending"))),
        min_size=2,
        max_size=6,
    )
)
def test_nobody_gets_two_first_emails_under_whatever_spelling_and_profile(
    sqlite_store: Store, clock: SteppableClock, asked: list[tuple[Any, str]]
) -> None:
    with sqlite_store.transaction() as conn:
        conn.execute(delete(writes))
    book, long_ago = Book(sqlite_store, clock), clock()
    got: set[int] = set()  # or may have got
    for number, ((who, address, profile), end) in enumerate(asked):
        known = lead_id(SALT, f"linkedin:{who}-{profile}" if profile else dedupe_key(address))
        why = _delivered(book, f"send:{number}", address, end, lead_id=known, not_since=long_ago)
        assert why in ({"already_written"} if who in got else {None, "unrecognisable"})
        if why is None and end not in {"failed", "pending"}:
            got.add(who)


def _delivered(book: Book, key: str, address: str, end: str, **about: Any) -> str | None:
    """Why the ledger did not let it go; None when it did."""
    try:
        book.dispatched(key, email(address), **about)
    except LedgerRefused as no:
        return no.why
    if end != "untold":
        book.end(key, end)
    return None
