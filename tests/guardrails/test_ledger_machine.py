"""Whatever happens in whatever order: no e-mail goes twice, and no budget is under-counted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from guardrails.errors import BadInput, NotFound, NotYet
from guardrails.hive import Hive
from guardrails.ledger import AlreadySent, LedgerRefused, LedgerRow
from guardrails.model import WriteAction
from guardrails.permits import Permit
from guardrails.store import open_store
from tests.conftest import SteppableClock
from tests.guardrails.ledger_samples import LEASE_S, STALE_S, Book, limits, write

PER_HOUR = 2
HOUR_S = 3600
EMAILS = ("send:1", "send:2", "send:3", "send:4")
TAGS, NOTE = "tags:1", "note:1"
KEYS = st.sampled_from((*EMAILS, TAGS, NOTE))
INTENTS = {TAGS: write(WriteAction.ADD_TAGS), NOTE: write(WriteAction.ADD_NOTE)}


class LedgerMachine(RuleBasedStateMachine):
    """Claims, permits, crashes, late answers and people, against a model of what left."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        hive = Hive.open(Path(self._folder.name) / "hive", sandbox=True)
        self._store = open_store(hive)
        self.clock = SteppableClock()
        self.book = Book(self._store, self.clock, limits(per_hour=PER_HOUR))
        self.permits: list[tuple[str, Permit]] = []
        self.may_have_left: dict[str, list[Any]] = {}  # when a request may have gone out
        self.certain: dict[str, set[int]] = {}  # those of them that certainly did not

    def teardown(self) -> None:
        self._store.close()
        self._folder.cleanup()

    @rule(key=KEYS)
    def claim(self, key: str) -> None:
        before = self._status(key)
        try:
            got = self.book.claim(key, INTENTS.get(key))
        except (LedgerRefused, NotYet):
            assert self._status(key) in {before, "pending" if before == "claimed" else before}
            return
        assert isinstance(got, AlreadySent) == (before == "sent")

    @rule(key=KEYS)
    def mint(self, key: str) -> None:
        self._try(lambda: self.permits.append((key, self.book.bind(key))))

    @precondition(lambda self: self.permits)
    @rule(data=st.data())
    def dispatch(self, data: st.DataObject) -> None:
        """Any permit that was ever made, however old."""
        key, permit = data.draw(st.sampled_from(self.permits))
        self._try(lambda: self._go(key, permit))

    @rule(key=KEYS)
    def deliver(self, key: str) -> None:
        """As a worker does it, one after the other; it may die afterwards."""

        def all_of_it() -> None:
            self.book.claim(key, INTENTS.get(key))
            self.permits.append((key, self.book.bind(key)))
            self._go(*self.permits[-1])

        self._try(all_of_it)

    @rule(
        key=KEYS,
        how=st.sampled_from(["sent", "failed", "unknown", "pending"]),
        who=st.sampled_from(["owner", "earlier", "anybody"]),
    )
    def end(self, key: str, how: Any, who: str) -> None:
        """Whoever dispatched it tells what it saw; whoever did not only guesses."""
        before = self._row(key)
        if before is None:
            return
        of_key = [permit.jti for name, permit in self.permits if name == key]
        permit_id = {
            "owner": before.permit_id,
            "earlier": next((jti for jti in of_key if jti != before.permit_id), "P-none"),
            "anybody": None,
        }[who]
        if how == "sent" and not self._left(key):
            return  # nobody sees at the vendor what is not there
        after = self.book.end(key, how, permit_id=permit_id).status
        dispatched = before.status in {"dispatching", "unknown"}
        if dispatched and after in {"failed", "pending"}:
            assert who == "owner" or (before.status, after) == ("unknown", "failed")
            self._certainly_not(key)

    @rule(key=KEYS, happened=st.booleans())
    def person(self, key: str, *, happened: bool) -> None:
        def go() -> None:
            self.book.resolve(key, happened=happened)
            if not happened:
                self._certainly_not(key)

        self._try(go)

    @rule(seconds=st.sampled_from([1, LEASE_S, STALE_S, HOUR_S // 2]))
    def wait(self, seconds: int) -> None:
        self.clock.step(seconds)

    @rule()
    def sweep(self) -> None:
        self.book.sweep()

    @invariant()
    def no_email_may_have_left_twice(self) -> None:
        for key in EMAILS:
            assert len(self._left(key)) <= 1, key
        assert len(self._left(NOTE)) <= 1

    @invariant()
    def what_may_have_left_keeps_its_budget(self) -> None:
        for key in EMAILS:
            if self._left(key):
                assert self._status(key) in {"dispatching", "sent", "unknown"}, key

    @invariant()
    def no_hour_sees_more_than_its_cap(self) -> None:
        moments = sorted(moment for key in EMAILS for moment in self._left(key))
        for first, last in zip(moments, moments[PER_HOUR:], strict=False):
            assert (last - first).total_seconds() >= HOUR_S

    @invariant()
    def every_unknown_fate_is_told(self) -> None:
        told = set(self.book.unknown())
        for key in (*EMAILS, TAGS, NOTE):
            if self._status(key) == "unknown":
                assert key in told

    def _go(self, key: str, permit: Permit) -> None:
        self.book.dispatch(key, permit)
        self.may_have_left.setdefault(key, []).append(self.clock())

    def _left(self, key: str) -> list[Any]:
        gone = self.certain.get(key, set())
        left = self.may_have_left.get(key, [])
        return [moment for place, moment in enumerate(left) if place not in gone]

    def _certainly_not(self, key: str) -> None:
        self.certain.setdefault(key, set()).add(len(self.may_have_left[key]) - 1)

    def _status(self, key: str) -> str | None:
        row = self._row(key)
        return row.status.value if row else None

    def _row(self, key: str) -> LedgerRow | None:
        with self._store.read() as conn:
            return self.book.ledger.find(conn, key)

    @staticmethod
    def _try(what: Callable[[], None]) -> None:
        try:
            what()
        except (LedgerRefused, NotYet, BadInput, NotFound):
            return  # a no is an answer; whether it was the right one, the invariants say


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
