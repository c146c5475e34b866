"""An approval ends once, as its record says, whoever acts in whatever order and dies in between."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select

from guardrails import approval_rows as rows
from guardrails.approval_model import Answer, AnswerKind, ApprovalState
from guardrails.approvals import Approvals
from guardrails.audit import AuditLog
from guardrails.hive import Hive
from guardrails.model import Mode, Verdict
from guardrails.store import Store
from guardrails.store.people_tables import approvals as table
from guardrails.store.people_tables import lessons
from guardrails.store.tables import runs
from guardrails.store.write_tables import deliveries
from orchestrator.delivery_rows import queue_approved
from orchestrator.runs import Runs
from tests.conftest import SteppableClock
from tests.decision_samples import new_bank
from tests.guardrails.approval_samples import RULES, Assisted, people
from tests.guardrails.authorize_samples import in_mode

MINUTE, DAY = 60.0, 86_400.0
NAMES = st.sampled_from(["Ada", "Ben", "Cyd"])
ANY, WORDS = st.integers(0, 2), st.sampled_from(["", "Too familiar", "No\0!"])
# After how many writes the process dies, just before the last of them or just after.
DEATHS = st.sampled_from([None, None, (1, False), (1, True), (2, False), (2, True), (3, False)])


class Died(Exception):
    """The process is gone in the middle of its work."""


class Mortal:
    """A store or an audit log whose process dies at a write."""

    def __init__(self, real: Any, life: list[tuple[int, bool] | None]) -> None:
        self._real = real
        self._life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def run(self, call: Any) -> Any:
        return await self._write(self._real.run, call)

    async def record(self, entries: Any) -> Any:
        return await self._write(self._real.record, entries)

    async def _write(self, write: Any, what: Any) -> Any:
        left, after = self._life[0] or (0, True)
        if left == 1 and not after:
            raise Died
        done = await write(what)
        if left == 1:
            raise Died
        self._life[0] = (left - 1, after) if left else None
        return done


@dataclass
class Known:
    """What the model knows of an approval. `end` is None while it waits."""

    hash: str
    author: str | None
    expires: datetime
    run: str
    decision: str
    alone: bool
    end: str | None = None
    by: str | None = None


class World:
    """What stands through all the examples: opening it anew costs more than playing one."""

    def __init__(self, hive: Hive, store: Store, clock: SteppableClock) -> None:
        self.store, self.clock = store, clock
        self.audit = AuditLog(hive, store, clock)
        config, bank = in_mode(Mode.ASSISTED), new_bank(hive, clock)
        self.desk = Assisted(hive, store, clock, self.audit, bank, config)
        self.people = people(hive.salt())
        self.numbers = itertools.count(1)


class ApprovalsMachine(RuleBasedStateMachine):
    """Clicks, withdrawals, expiry and --fresh against one dictionary."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.store, self.audit, self.clock = world.store, world.audit, world.clock
        self.desk, self.people, self.numbers = world.desk, world.people, world.numbers
        with self.store.transaction() as conn:
            for emptied in (table, deliveries, lessons, runs):
                conn.execute(delete(emptied))
        self.clock.now = SteppableClock().now
        self.life: list[tuple[int, bool] | None] = [None]
        self.approvals = Approvals(
            Mortal(self.store, self.life),
            Mortal(self.audit, self.life),
            self.desk.stop,
            self.people,
            self.clock,
            queue_approved,
        )
        self.runs = Runs(self.store, self.clock, RULES)
        self.known: dict[str, Known] = {}
        self.given_up: set[str] = set()

    @initialize()
    def begins(self) -> None:
        self.asks(review=False, author=None)

    @precondition(lambda self: len(self.known) < 3)
    @rule(review=st.booleans(), author=st.none() | NAMES)
    def asks(self, review: bool, author: str | None) -> None:
        number = next(self.numbers)
        run_id, opened = f"R-{number}", (Mode.ASSISTED, True, "leads.csv")
        asyncio.run(self.runs.open(f"k{number}", run_id, *opened, fresh=False))
        decision = asyncio.run(self.desk.decided(run_id=run_id))
        asked = rows.Asked(
            decision_audit_id=decision.audit_id, lead_id=decision.lead_id, run_id=run_id, row=1,
            verdict=Verdict.REVIEW if review else decision.verdict, segment=f"s{number}", tier=1,
            content_hash=str(decision.content_hash), author=self._id(author) if author else None,
        )  # fmt: skip
        now = self.clock()
        made = asyncio.run(self.store.run(lambda conn: rows.request(conn, asked, RULES, now)))
        found = asyncio.run(self.approvals.get(made))
        assert found is not None
        self.known[made] = Known(
            found.content_hash, found.author, found.expires_at, run_id, decision.audit_id,
            found.alone,
        )  # fmt: skip

    @rule(
        number=ANY, who=NAMES, yes=st.booleans(), words=st.sampled_from(["", "No\0!"]), die=DEATHS
    )
    def clicks(self, number: int, who: str, yes: bool, words: str, die: Any) -> None:
        name, one = self._one(number)
        before, by = one.end, self.people.by_name(who)
        assert by is not None
        answer: Answer | None
        if yes:
            answer = self._go(self.approvals.approve(name, one.hash, by, "slack"), die)
            self._may_end(name, "approved", by.id)
        else:
            reject = self.approvals.reject(
                name, one.hash, by, "cli", reason_code="tone", text=words
            )
            answer = self._go(reject, die)
            self._may_end(name, "rejected", by.id)
        if answer is None or answer.kind is AnswerKind.NOT_PERMITTED:
            assert answer is None or (yes and by.id == one.author)
        elif one.end == "expired":
            assert answer.kind is AnswerKind.EXPIRED
        else:
            assert answer.kind is (AnswerKind.ALREADY if before else AnswerKind.DONE)

    @rule(who=NAMES, die=DEATHS)
    def approves_all(self, who: str, die: Any) -> None:
        by = self.people.by_name(who)
        assert by is not None
        self._go(self.approvals.approve_many(list(self.known), by, "cli"), die)
        for name, one in self.known.items():
            if not one.alone:
                self._may_end(name, "approved", by.id)

    @rule(number=ANY, first=NAMES, second=NAMES)
    def two_at_once(self, number: int, first: str, second: str) -> None:
        name, one = self._one(number)
        before = one.end
        yes, no = self.people.by_name(first), self.people.by_name(second)
        assert yes is not None
        assert no is not None

        async def both() -> list[Answer]:
            approve = self.approvals.approve(name, one.hash, yes, "slack")
            reject = self.approvals.reject(name, one.hash, no, "cli", reason_code="tone")
            return await asyncio.gather(approve, reject)

        answers = asyncio.run(both())
        self._may_end(name, "approved", yes.id, or_by=("rejected", no.id))
        done = sum(answer.kind is AnswerKind.DONE for answer in answers)
        assert done == (before is None and one.end != "expired")

    @rule(number=ANY, die=DEATHS)
    def withdraws(self, number: int, die: Any) -> None:
        _, one = self._one(number)
        self._go(self.approvals.withdraw("replied", run_id=one.run), die)
        for name, each in self.known.items():
            if each.run == one.run:
                self._may_end(name, "withdrawn", "swarm", late=True)

    @rule(number=ANY)
    def begins_afresh_and_dies(self, number: int) -> None:
        """--fresh gives the run up, and nobody withdraws what waits in it."""
        _, one = self._one(number)
        if one.run not in self.given_up:
            self.given_up.add(one.run)
            key, new = f"k{one.run.removeprefix('R-')}", f"{one.run}-fresh"
            asyncio.run(self.runs.open(key, new, Mode.ASSISTED, True, "leads.csv", fresh=True))

    @rule(die=DEATHS)
    def looks_after_all(self, die: Any) -> None:
        for sweep in (self.approvals.finish_recorded, self.approvals.expire_due):
            self._go(sweep(), die)
        for name in self.known:
            self._may_end(name, "expired", "swarm", late=True)

    @rule(seconds=st.sampled_from([1.0, 30 * MINUTE, DAY - 1, DAY, -30.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.step(seconds)

    @invariant()
    def everything_follows_the_record(self) -> None:
        with self.store.read() as conn:
            found = {row.approval_id: row for row in conn.execute(select(table))}
            gone = {row.delivery_id: row.state for row in conn.execute(select(deliveries))}
            learned = set(conn.execute(select(lessons.c.event_id)).scalars())
        for name, one in self.known.items():
            state = found[name].state
            assert state in ("waiting", one.end)
            followed = state if state != "waiting" else None
            assert (one.decision in gone) == (followed == ApprovalState.APPROVED)
            assert (f"rejection:{name}" in learned) == (followed == ApprovalState.REJECTED)
            if one.run in self.given_up:
                assert gone.get(one.decision, "refused") == "refused"

    def _one(self, number: int) -> tuple[str, Known]:
        return list(self.known.items())[number % len(self.known)]

    def _id(self, name: str) -> str:
        found = self.people.by_name(name)
        assert found is not None
        return found.id

    def _go(self, work: Coroutine[Any, Any, Any], die: tuple[int, bool] | None) -> Any:
        """What it gives; None when the process died of it."""
        self.life[0] = die
        try:
            return asyncio.run(work)
        except Died:
            return None
        finally:
            self.life[0] = None

    def _may_end(
        self,
        name: str,
        end: str,
        by: str,
        *,
        late: bool = False,
        or_by: tuple[str, str] | None = None,
    ) -> None:
        """Whatever is on record now must be what was to be expected, and stays so."""
        one, record = self.known[name], self.audit.find(rows.end_id(name))
        said = (record["body"]["end"], record["body"]["by"]) if record else (None, None)
        if one.end is None and said[0] is not None:
            expired = self.clock() >= one.expires
            own = end == "approved" and by == one.author
            allowed = {or_by} | (set() if own else {(end, by)})
            if expired:
                allowed = {("expired", "swarm")} | ({(end, by)} if late else set())
            elif end == "expired":
                allowed = set()
            assert said in allowed
            assert record is not None
            assert record["body"]["content_hash"] == one.hash
            one.end, one.by = said
        assert said == (one.end, one.by)


@pytest.mark.hypothesis
def test_an_approval_ends_once_whoever_acts_and_dies_in_between(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    world = World(hive, sqlite_store, clock)
    bounds = settings(max_examples=12, stateful_step_count=20)
    run_state_machine_as_test(lambda: ApprovalsMachine(world), settings=bounds)
    world.audit.close()
