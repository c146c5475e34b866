"""However queens sleep, wake, die and take over: what stands in the rows is what a model says."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select

from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.engine import sqlite_engine
from guardrails.store.fleet_tables import workers
from guardrails.store.write_tables import deliveries
from orchestrator.deliveries import Deliveries, DeliveryState, Ended
from orchestrator.delivery_rows import WAITING, give_up, queue
from tests.conftest import SteppableClock
from tests.orchestrator.fleet.queens import Queen

T = TypeVar("T")
RUN_OF = {f"A-{number:02}": f"R-{number % 5}" for number in range(10)}
OPEN = (*WAITING, DeliveryState.UNKNOWN.value)
ACTS = st.tuples(
    st.sampled_from(["begins", "sleeps", "claims", "claims", "ends", "ends", "leaves", "given_up"]),
    st.integers(0, 1),  # who, of those who can
    st.integers(1, 4),  # how many, or which
    st.sampled_from([*DeliveryState, *[DeliveryState.DEFERRED, DeliveryState.UNKNOWN] * 2]),
)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of something that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


class OnThisThread(Store):
    """A store without threads of its own."""

    async def run(self, call: Callable[[Connection], T]) -> T:
        with self.transaction() as conn:
            return call(conn)


@dataclass
class Model:
    """By delivery: its state, and the session that has it."""

    state: dict[str, str] = field(default_factory=lambda: dict.fromkeys(RUN_OF, "queued"))
    holder: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(RUN_OF))
    alive: set[str] = field(default_factory=set)

    def claims(self, session: str, limit: int, in_hand: Sequence[str]) -> list[tuple[str, Any]]:
        """What she gets, and from whom."""
        if session not in self.alive:
            return []
        others = self.alive - {session}
        got = [
            (one, self.holder[one] if self.holder[one] != session else None)
            for one, state in self.state.items()
            if state in OPEN and one not in in_hand and self.holder[one] not in others
        ][:limit]
        self.holder.update(dict.fromkeys((one for one, _ in got), session))
        return got

    def ends(self, session: str, one: str, state: str) -> None:
        """Her word counts while it is in her hand; what does not wait any more never waits again,
        and what is sent stays sent.
        """
        former = self.state[one]
        again = state in WAITING and former not in WAITING
        if self.holder[one] == session and not again and former != "sent":
            self.state[one] = state

    def leaves(self, session: str, hand: Sequence[str]) -> None:
        """What is hers and has not ended is nobody's."""
        mine = [one for one in hand if self.holder[one] == session and self.state[one] in OPEN]
        self.holder.update(dict.fromkeys(mine))

    def given_up(self, run_id: str) -> None:
        """What waits goes out no more."""
        waits = [one for one, state in self.state.items() if state in WAITING]
        self.state.update((one, "refused") for one in waits if RUN_OF[one] == run_id)


class Fleet:
    """Two queens over the store, each with what she believes to have in hand, and the model."""

    def __init__(self, store: Store, clock: SteppableClock) -> None:
        self.store, self.clock, self.model = store, clock, Model()
        self.queens = {name: Queen(store, clock, name=name, number=0) for name in "ab"}
        self.hands: dict[str, list[str]] = {name: [] for name in "ab"}
        with store.transaction() as conn:
            for table in (deliveries, workers):
                conn.execute(delete(table))
            for row, (one, run_id) in enumerate(RUN_OF.items()):
                queue(conn, one, f"L-{row}", run_id, row, iso(clock()))
        for name in self.queens:
            self.begins(name)

    def lives(self, name: str) -> bool:
        return self.queens[name].session in self.model.alive

    def can(self, act: str) -> list[str]:
        """Who may do that now."""
        if act in {"ends", "leaves"}:
            return [name for name, hand in self.hands.items() if hand]
        if act in {"begins", "sleeps"}:
            return [name for name in self.queens if self.lives(name) == (act == "sleeps")]
        return list(self.queens)

    def begins(self, name: str, *_: Any) -> None:
        """A new process of that hive."""
        self.queens[name].number += 1
        at_once(self.queens[name].lives())
        self.model.alive.add(self.queens[name].session)
        self.hands[name].clear()

    def sleeps(self, name: str, *_: Any) -> None:
        """Her lease runs out; she goes on with what she has."""
        at_once(self.queens[name].dies())
        self.model.alive.discard(self.queens[name].session)

    def claims(self, name: str, number: int, _state: DeliveryState) -> None:
        queen, hand = self.queens[name], self.hands[name]
        got = at_once(queen.claims.deliveries(number, hand))
        told = [(one.what.delivery_id, one.before) for one in got]
        assert told == self.model.claims(queen.session, number, hand)
        hand += [one for one, _ in told]

    def ends(self, name: str, number: int, state: DeliveryState) -> None:
        """An attempt with one of what she has."""
        session, hand = self.queens[name].session, self.hands[name]
        one = hand.pop(number % len(hand))
        at_once(Deliveries(self.store, self.clock, lambda: session).end(one, Ended(state)))
        self.model.ends(session, one, state.value)

    def leaves(self, name: str, *_: Any) -> None:
        """She gives back whatever she has."""
        queen, hand = self.queens[name], self.hands[name]
        at_once(queen.claims.give_back(deliveries=hand))
        self.model.leaves(queen.session, hand)
        hand.clear()

    def given_up(self, _name: str, number: int, _state: DeliveryState) -> None:
        """A run, by a person."""
        run_id = f"R-{number}"
        with self.store.transaction() as conn:
            give_up(conn, [run_id], iso(self.clock()))
        self.model.given_up(run_id)

    def check(self) -> None:
        """The rows are the model's, and nothing is in two living hands."""
        with self.store.read() as conn:
            rows = conn.execute(select(deliveries)).all()
        assert {row.delivery_id: row.state for row in rows} == self.model.state
        assert {row.delivery_id: row.claimed_by for row in rows} == self.model.holder
        living = [one for name, hand in self.hands.items() if self.lives(name) for one in hand]
        assert len(living) == len(set(living))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, min_size=40, max_size=60))
def test_each_delivery_is_in_one_living_hand_and_a_sleeper_changes_nothing(
    hive: Hive,
    sqlite_store: Store,
    clock: SteppableClock,
    acts: list[tuple[str, int, int, DeliveryState]],
) -> None:
    store = OnThisThread(sqlite_engine(hive.database_file))
    fleet = Fleet(store, clock)
    for act, who, number, state in acts:
        if can := fleet.can(act):
            getattr(fleet, act)(can[who % len(can)], number, state)
            fleet.check()
    for name in fleet.queens:
        fleet.sleeps(name)
    fleet.begins("a")  # once one lives, nothing is left behind
    fleet.claims("a", len(RUN_OF), DeliveryState.SENT)
    assert fleet.hands["a"] == [one for one, state in fleet.model.state.items() if state in OPEN]
    store.close()
