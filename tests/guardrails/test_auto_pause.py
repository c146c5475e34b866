"""Sending pauses itself at exactly its thresholds, whatever order outcomes come in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from guardrails.auto_pause import Finding, pause_if_due
from guardrails.clock import iso
from guardrails.config import load_config
from guardrails.config.models.people import AutoPause
from guardrails.errors import NotYet
from guardrails.ledger_pauses import pauses
from guardrails.outcomes import OutcomeKind
from guardrails.store import Store
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import sending_pauses, writes
from tests.guardrails.ledger_samples import email, ledger_of

RULES = load_config().production.auto_pause
BOUNCE, COMPLAINT, OPT_OUT = OutcomeKind.BOUNCE, OutcomeKind.COMPLAINT, OutcomeKind.UNSUBSCRIBE
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class World:
    """E-mails that went out, and what became of them."""

    def __init__(self, store: Store, clock: Any, rules: AutoPause = RULES) -> None:
        self.store, self.clock, self.rules = store, clock, rules
        self.told: dict[str, str] = {}
        self._numbers = itertools.count()

    def sent(self, count: int, at: datetime | None = None, status: str = "sent") -> list[str]:
        """Keys of so many e-mails that went out then."""
        when = iso(at or self.clock())
        keys = [f"send:A-{next(self._numbers)}" for _ in range(count)]
        empty = dict.fromkeys((column.name for column in writes.columns), None)
        rows = [
            empty | {
                "key": key, "vendor": "instantly", "action": "enrol_lead",
                "recipient_hash": key, "content_hash": "0", "status": status, "counts": True,
                "lead_id": f"L-{key}", "mailbox_hash": "mailbox", "claimed_at": when,
                "dispatched_at": when, "created_at": when, "updated_at": when,
            }
            for key in keys
        ]  # fmt: skip
        with self.store.transaction() as conn:
            conn.execute(writes.insert(), rows)
        return keys

    def happened(
        self,
        kind: OutcomeKind,
        keys: Sequence[str | None],
        at: datetime | None = None,
        *,
        mailbox: str | None = "mailbox",
        apart: timedelta = timedelta(),
    ) -> list[Finding]:
        """It happened to each, the first of them at `at`, each so much later than the last."""
        found: list[Finding] = []
        for number, key in enumerate(keys):
            when = (at or self.clock()) + number * apart
            with self.store.transaction() as conn:
                found += self.happens(conn, kind, key, when, mailbox)
        return found

    def happens(
        self, conn: Any, kind: OutcomeKind, key: str | None, when: datetime, mailbox: str | None
    ) -> Sequence[Finding]:
        """The same within a transaction."""
        row = dict.fromkeys((column.name for column in outcomes.columns), None) | {
            "outcome_id": f"O-{next(self._numbers)}", "kind": kind.value,
            "vendor": "instantly", "write_key": key, "mailbox_hash": mailbox,
            "at": iso(when), "created_at": iso(self.clock()),
        }  # fmt: skip
        conn.execute(outcomes.insert().values(row))
        return pause_if_due(conn, self.rules, kind, when, self.clock(), self._tell)

    def _tell(self, _conn: Any, key: str, text: str, _at: datetime) -> None:
        self.told[key] = text

    @property
    def until(self) -> datetime | None:
        with self.store.read() as conn:
            found = pauses(conn)
        return found[0].until if found else None


@pytest.fixture
def world(sqlite_store: Store, clock: Any) -> World:
    return World(sqlite_store, clock)


@pytest.fixture
def world_of_both(store: Store, clock: Any) -> World:
    return World(store, clock)


@pytest.mark.parametrize(
    ("kind", "limit", "hours", "apart"),
    [
        (BOUNCE, RULES.bounces_per_hour, RULES.bounces_pause_hours, 14 * MINUTE),
        (OPT_OUT, RULES.unsubscribes_per_day, RULES.unsubscribes_pause_hours, 150 * MINUTE),
        (COMPLAINT, RULES.complaints_per_day, RULES.complaint_pause_hours, MINUTE),
    ],
)
def test_below_at_and_above_a_count(
    world_of_both: World, kind: OutcomeKind, limit: int, hours: float, apart: timedelta
) -> None:
    world = world_of_both
    keys, start = world.sent(limit + 1), world.clock()
    world.happened(kind, keys[: limit - 1], start, apart=apart)
    assert world.until is None
    at = start + (limit - 1) * apart
    (found,) = world.happened(kind, keys[limit - 1 : limit], at)
    assert (found.count, found.limit) == (limit, limit)
    assert world.until == at + timedelta(hours=hours)
    later = at + MINUTE
    world.happened(kind, keys[limit:], later)
    assert world.until == later + timedelta(hours=hours)


def test_the_window_rolls_and_a_full_hour_apart_is_outside(world: World) -> None:
    keys, start = world.sent(RULES.bounces_per_hour), world.clock()
    world.happened(BOUNCE, keys[:1], start)
    hour = start + timedelta(hours=1)
    world.happened(BOUNCE, keys[1:], hour)
    assert world.until is None
    world.happened(BOUNCE, world.sent(1), hour + MINUTE)
    assert world.until == hour + MINUTE + timedelta(hours=RULES.bounces_pause_hours)


def test_one_email_counts_once_however_often_it_is_told(world: World) -> None:
    (key,) = world.sent(1)
    world.happened(BOUNCE, [key] * (RULES.bounces_per_hour + 3), apart=MINUTE)
    assert world.until is None


def test_what_is_not_ours_is_not_counted(world: World) -> None:
    many = RULES.bounces_per_hour
    world.sent(1)
    world.happened(BOUNCE, [None] * many, mailbox="somebody-elses")
    world.happened(BOUNCE, [None] * many, mailbox=None)
    assert world.until is None
    world.happened(BOUNCE, [None] * many)  # unknown people, and our mailbox
    assert world.until is not None


def test_answers_meetings_and_the_rest_pause_nothing(world: World) -> None:
    keys = world.sent(30)
    for kind in set(OutcomeKind) - {BOUNCE, COMPLAINT, OPT_OUT}:
        assert world.happened(kind, keys) == []
    assert (world.until, world.told) == (None, {})


def test_news_that_comes_late_pauses_from_when_it_happened(world: World) -> None:
    keys = world.sent(RULES.bounces_per_hour)
    ago = world.clock() - timedelta(hours=1)
    world.happened(BOUNCE, keys, ago)
    assert world.until == ago + timedelta(hours=RULES.bounces_pause_hours)
    (told,) = world.told.values()
    assert told.startswith("Sending is paused until")


def test_a_pause_that_is_over_already_is_told_to_nobody(world: World) -> None:
    keys = world.sent(RULES.bounces_per_hour)
    world.happened(BOUNCE, keys, world.clock() - timedelta(days=2))
    assert world.told == {}


def test_any_order_comes_to_the_same_pause(world: World) -> None:
    times = [world.clock() + minutes * MINUTE for minutes in (0, 20, 40, 59, 61, 75, 300)]
    keys = world.sent(len(times))
    ends = set()
    for seed in range(5):
        order = sorted(range(len(times)), key=lambda n, s=seed: (n * 7 + s * 3) % 11)
        with world.store.transaction() as conn:
            conn.exec_driver_sql("DELETE FROM outcomes")
            conn.exec_driver_sql("DELETE FROM sending_pauses")
        for number in order:
            world.happened(BOUNCE, [keys[number]], times[number])
        ends.add(world.until)
    assert ends == {times[5] + timedelta(hours=RULES.bounces_pause_hours)}


@pytest.mark.parametrize("kind", [BOUNCE, COMPLAINT])
def test_one_email_told_twice_pauses_alike_whichever_is_told_first(
    store: Store, clock: Any, kind: OutcomeKind
) -> None:
    rules = RULES.model_copy(update={"bounces_per_hour": 1, "rate_min_sent": 1})
    world, ends = World(store, clock, rules), set()
    (key,) = world.sent(1)
    for apart in (MINUTE, -MINUTE):
        with store.transaction() as conn:
            conn.execute(delete(outcomes))
            conn.execute(delete(sending_pauses))
        world.happened(kind, [key, key], clock() + max(-apart, timedelta()), apart=apart)
        ends.add(world.until)
    (end,) = ends
    assert end is not None


def test_a_warning_of_later_hides_no_earlier_stop(world: World) -> None:
    """Two complaints over 1,000 e-mails, then more e-mails and a third; told in either order."""
    world.rules = RULES.model_copy(update={"complaints_per_day": 1000})
    early, now = world.clock() - DAY, world.clock()
    keys = [*world.sent(1000, early), *world.sent(1000, now)]
    third = (keys[1000:1001], now + MINUTE)
    first_two = (keys[:2], early + MINUTE)
    ends = set()
    for order in ((first_two, third), (third, first_two)):
        with world.store.transaction() as conn:
            conn.execute(delete(outcomes))
            conn.execute(delete(sending_pauses))
        for told, at in order:
            world.happened(COMPLAINT, told, at)
        ends.add(world.until)
    assert ends == {early + MINUTE + timedelta(hours=RULES.complaint_pause_hours)}


TOLD = st.lists(st.tuples(st.sampled_from((BOUNCE, COMPLAINT, OPT_OUT)), st.integers(0, 6),
                          st.integers(0, 12)), max_size=14)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(told=TOLD, data=st.data())
def test_any_order_and_any_repeats_come_to_the_same_pause(
    store: Store, clock: Any, told: list[tuple[OutcomeKind, int, int]], data: st.DataObject
) -> None:
    rules = RULES.model_copy(update={
        "bounces_per_hour": 2, "complaints_per_day": 2, "unsubscribes_per_day": 3,
        "rate_min_sent": 4,
    })  # fmt: skip
    world = World(store, clock, rules)

    def told_in(order: list[tuple[OutcomeKind, int, int]]) -> datetime | None:
        with store.transaction() as conn:
            for table in (outcomes, sending_pauses, writes):
                conn.execute(delete(table))
        keys = [world.sent(1, clock() + timedelta(days=day))[0] for day in range(-6, 1)]
        for kind, number, hours in order:
            world.happened(kind, [keys[number]], clock() + timedelta(hours=10 * hours))
        return world.until

    assert told_in(data.draw(st.permutations(told))) == told_in(told)


STRICT = RULES.model_copy(update={
    "bounces_per_hour": 3, "complaints_per_day": 3, "unsubscribes_per_day": 3, "rate_min_sent": 3,
    "bounce_rate": 0.3, "complaint_rate_warn": 0.2, "complaint_rate_stop": 0.6,
})  # fmt: skip
Sent = tuple[str, datetime]  # key, and when it went out
Heard = tuple[OutcomeKind, Sent, datetime]
MOMENTS = (0, 1, 59, 60, 61, 1439, 1440, 1441, 10079, 10080, -60, -1440)  # minutes


def paused_until(mails: Sequence[Sent], heard: Sequence[Heard]) -> datetime | None:
    """By the words of DOMAIN.md: each count in each window, each rate at each failure."""
    ends = []
    counts = (
        (BOUNCE, timedelta(hours=1), STRICT.bounces_pause_hours),
        (COMPLAINT, DAY, STRICT.complaint_pause_hours),
        (OPT_OUT, DAY, STRICT.unsubscribes_pause_hours),
    )
    for kind, window, hours in counts:
        mine = [(at, key) for what, (key, _), at in heard if what is kind]
        for at, _ in mine:
            if len({key for when, key in mine if at - window < when <= at}) >= 3:
                ends.append(at + timedelta(hours=hours))
    for kind, hours in ((BOUNCE, STRICT.bounce_rate_pause_hours), (COMPLAINT, counts[1][2])):
        for at in {at for what, (_, gone), at in heard if what is kind and gone > at - 7 * DAY}:
            low = at - 7 * DAY
            sent = sum(low < gone <= at for _, gone in mails)
            failed = len({
                key for what, (key, gone), when in heard
                if what is kind and when <= at and low < gone <= at
            })  # fmt: skip
            over = failed / sent > 0.3 if kind is BOUNCE else (failed + 1) / sent >= 0.6
            if sent >= 3 and over:
                ends.append(at + timedelta(hours=hours))
    return max(ends, default=None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    hours=st.lists(st.integers(-9 * 24, 24), min_size=1, max_size=8),
    told=st.lists(
        st.tuples(
            st.sampled_from((BOUNCE, COMPLAINT, OPT_OUT)),
            st.integers(0, 7),
            st.sampled_from(MOMENTS),
        ),
        max_size=14,
    ),
    data=st.data(),
)
def test_sending_is_paused_as_long_as_a_plain_count_says(
    sqlite_store: Store,
    clock: Any,
    hours: list[int],
    told: list[tuple[OutcomeKind, int, int]],
    data: st.DataObject,
) -> None:
    world = World(sqlite_store, clock, STRICT)
    with sqlite_store.transaction() as conn:
        for table in (outcomes, sending_pauses, writes):
            conn.execute(delete(table))
    gone = [clock() + timedelta(hours=each) for each in hours]
    mails = [(world.sent(1, at)[0], at) for at in gone]
    heard = [
        (kind, mail, max(clock() + minutes * MINUTE, mail[1]))
        for kind, number, minutes in told
        for mail in [mails[number % len(mails)]]
    ]
    for kind, (key, _), at in data.draw(st.permutations(heard)):
        world.happened(kind, [key], at)
    assert world.until == paused_until(mails, heard)


@pytest.mark.parametrize(
    ("sent", "bounced", "paused"),
    [
        (50, 1, False),  # 2 %: at the limit, not over it
        (50, 2, True),
        (100, 3, True),
        (49, 4, False),  # too few e-mails to say anything
    ],
)
def test_the_rate_of_bounces(world_of_both: World, sent: int, bounced: int, paused: bool) -> None:
    world = world_of_both
    keys = world.sent(sent, world.clock() - 2 * DAY)
    found = world.happened(BOUNCE, keys[:bounced], apart=timedelta(hours=2))
    last = world.clock() + (bounced - 1) * timedelta(hours=2)
    assert (world.until is not None) is paused
    if paused:
        assert world.until == last + timedelta(hours=RULES.bounce_rate_pause_hours)
        assert {one.code for one in found} == {"bounce_rate"}
        assert (found[-1].count, found[-1].of) == (bounced, sent)


def test_a_rate_is_of_seven_days_and_of_what_was_sent(world: World) -> None:
    old = world.sent(60, world.clock() - 7 * DAY - MINUTE)
    world.sent(60, world.clock() - DAY)
    world.sent(500, world.clock() - DAY, status="failed")
    # Bounces of e-mails that are older than the window are none of its.
    world.happened(BOUNCE, old[:4], apart=timedelta(hours=2))
    assert world.until is None


def test_a_bounce_by_a_clock_that_is_behind_counts_at_once(world: World) -> None:
    keys = world.sent(50)
    (found,) = world.happened(BOUNCE, keys[:2], world.clock() - timedelta(seconds=3))
    assert (found.code, found.count, found.of) == ("bounce_rate", 2, 50)


@pytest.mark.parametrize(
    ("sent", "complaints", "codes"),
    [
        (2001, 1, []),  # 0.05 %
        (2000, 2, ["complaint_rate_warn"]),  # 0.10 %: warned
        (1001, 2, ["complaint_rate_warn"]),  # one more: 0.2997 %
        (1000, 2, ["complaint_rate"]),  # one more would be 0.30 %
        (49, 3, []),
    ],
)
def test_the_rate_of_complaints_warns_and_stops_before_the_limit(
    store: Store, clock: Any, sent: int, complaints: int, codes: list[str]
) -> None:
    world = World(store, clock, RULES.model_copy(update={"complaints_per_day": 1000}))
    keys = world.sent(sent, clock() - DAY)
    found = world.happened(COMPLAINT, keys[:complaints], apart=timedelta(hours=1))
    assert [one.code for one in found][-1:] == codes
    if codes == ["complaint_rate"]:
        last = clock() + (complaints - 1) * timedelta(hours=1)
        assert world.until == last + timedelta(hours=RULES.complaint_pause_hours)
    else:
        assert world.until is None
    assert len(world.told) == len(found)


def test_a_paused_ledger_claims_no_email(world: World) -> None:
    ledger = ledger_of(world.store, world.clock)
    world.happened(COMPLAINT, world.sent(1))
    to = "new@x.example"
    entry = ledger.entry("send:new", email(to), mailbox="m@us.example", to=to)
    with world.store.transaction() as conn, pytest.raises(NotYet, match="paused") as caught:
        ledger.claim(conn, entry)
    assert caught.value.not_before == world.until
    world.clock.step(days=1)
    with world.store.transaction() as conn:
        ledger.claim(conn, entry)
