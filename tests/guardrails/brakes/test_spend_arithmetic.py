"""Whatever happens in whatever order: what is held is what the entries say, and under the cap."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from guardrails.brakes.spend import STALE, TOTAL, Settlement, SpendBook
from guardrails.errors import BadInput, SpendCapped
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.brake_tables import spend_days
from tests.conftest import SteppableClock
from tests.guardrails.brakes.spending import call, spend

_ENDS = {"charged": "settled", "not_charged": "released", "unknown": "unknown"}
_VENDORS = st.sampled_from(["clay", "rb2b"])
_MICROS = st.integers(0, 7)
_CAPS = st.integers(0, 12)


class _Undone(Exception):
    """Ends an example: its transaction is rolled back."""


class Spending(RuleBasedStateMachine):
    """The spend book beside a plain list of what should be true."""

    store: Store
    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.conn = self.stack.enter_context(self.store.transaction())
        self.clock = SteppableClock()
        self.entries: dict[str, tuple[str, str, int, str]] = {}
        self.beyond_cap = False  # a lowered cap, or a person's word, may put us there

    @initialize(total=_CAPS, clay=_CAPS)
    def set_caps(self, total: int, clay: int) -> None:
        self.caps = {TOTAL: total, "clay": clay}
        self.book = SpendBook(spend(total=total, clay=clay), self.clock)

    @rule(total=_CAPS, clay=_CAPS)
    def change_caps(self, total: int, clay: int) -> None:
        self.set_caps(total, clay)
        self.beyond_cap = True

    @rule(target=known, vendor=_VENDORS, micros=_MICROS)
    def reserve(self, vendor: str, micros: int) -> str:
        name = f"e{len(self.entries)}"
        day = self.book.day_of(self.clock())
        fits = all(
            self.sums()[day, scope] + micros <= self.caps.get(scope, 99)
            for scope in (vendor, TOTAL)
        )
        try:
            self.book.reserve(self.conn, call(name, micros, vendor))
        except SpendCapped:
            assert not fits
            return name
        assert fits
        self.entries[name] = (day, vendor, micros, "reserved")
        return name

    @rule(name=known, outcome=st.sampled_from(list(_ENDS)))
    def settle(self, name: str, outcome: str) -> None:
        self.book.settle(self.conn, Settlement(name, outcome))  # type: ignore[arg-type]
        if name in self.entries and self.entries[name][3] == "reserved":
            self.entries[name] = (*self.entries[name][:3], _ENDS[outcome])

    @rule(name=consumes(known), charged=st.booleans())
    def reconcile(self, name: str, charged: bool) -> None:
        if name not in self.entries:
            return
        try:
            self.book.reconcile(self.conn, name, charged, "bill")
        except BadInput:
            assert self.entries[name][3] == "reserved"
            return
        self.beyond_cap = self.beyond_cap or self.entries[name][3] == "released"
        self.entries[name] = (*self.entries[name][:3], "settled" if charged else "released")

    @rule(hours=st.sampled_from([0.1, STALE.total_seconds() / 3600, 20]))
    def wait(self, hours: float) -> None:
        self.clock.step(hours * 3600)

    @invariant()
    def what_is_held_is_the_sum_of_what_was_not_given_back(self) -> None:
        rows = self.conn.execute(spend_days.select())
        held = {(row.day, row.scope): row.held_micros for row in rows if row.held_micros}
        assert held == {place: micros for place, micros in self.sums().items() if micros}

    @invariant()
    def never_more_than_the_cap_is_held(self) -> None:
        if self.beyond_cap or not self.entries:
            return
        for (_, scope), micros in self.sums().items():
            assert micros <= self.caps.get(scope, self.caps[TOTAL])

    def sums(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for day, vendor, micros, status in self.entries.values():
            if status != "released":
                found[day, vendor] += micros
                found[day, TOTAL] += micros
        return found

    def teardown(self) -> None:
        with contextlib.suppress(_Undone), self.stack:
            raise _Undone


@pytest.fixture(scope="module")
def one_store() -> Iterator[Store]:
    with TemporaryDirectory() as path:
        store = open_store(Hive.open(Path(path) / "hive", sandbox=True))
        yield store
        store.close()


def test_any_history_of_calls_settlements_days_and_caps_adds_up(one_store: Store) -> None:
    machine = type("OnStore", (Spending,), {"store": one_store})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
