"""Lessons of other databases are taken in when a hive of ours vouches for them; no others are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from guardrails.bank import Bank, Event, ItemAction, Lesson
from guardrails.bank.fold import contributions
from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.lesson_folding import fold_pending, unreadable
from guardrails.lessons import record_lesson
from guardrails.model import Scope
from guardrails.remembering import begin, forget
from guardrails.store import Store, open_store
from guardrails.store.fleet_tables import memory_outbox
from guardrails.store.people_tables import lessons
from orchestrator.memory.drain import Drain
from orchestrator.memory.pull import Pull, Pulled
from orchestrator.memory.rows import Sender, seal
from orchestrator.memory.wire import MemoryWire
from tests.decision_samples import new_bank
from tests.orchestrator.memory.conftest import SALT, Project

SCOPE = Scope(segment="saas", angle="hiring", persona="founder")


def lesson(number: int, at: Any, **changed: Any) -> Lesson:
    fields: dict[str, Any] = {
        "event_id": f"rejection:AP-{number}", "at": at, "outcome": "rejection",
        "reason_code": "tone", "actor": "U-1", "trust": "human", "lead_id": f"L-{number % 3}",
        "scope": SCOPE, "template_hash": "a" * 16, "content_hash": f"{number:064x}",
        "text": "Zu aufdringlich",
    }  # fmt: skip
    return Lesson(**(fields | changed))


class Machine:
    """A hive with a database of its own, and the project they share."""

    def __init__(self, path: Path, project: Project, clock: Any, name: str) -> None:
        self.project, self.clock = project, clock
        self.hive = Hive.open(path / name, sandbox=True)
        self.store = open_store(self.hive)
        self.bank = new_bank(self.hive, clock)
        with self.store.transaction() as conn:
            self.sender = Sender(begin(conn, iso(clock()), name * 8), True, SALT)

    def learns(self, *events: Event) -> None:
        with self.store.transaction() as conn:
            for one in events:
                record_lesson(conn, one, iso(self.clock()))
        self.folds()

    def folds(self) -> None:
        asyncio.run(fold_pending(self.store, self.bank, self.hive, self.clock))

    def meets(self) -> Pulled:
        async def both(wire: MemoryWire) -> Pulled:
            await Drain(self.store, wire, self.sender, self.clock).batch()
            return await Pull(self.store, wire, self.sender, self.clock).look()

        found = self.project.run(both)
        self.folds()
        return found

    def lessons(self) -> int:
        with self.store.read() as conn:
            return conn.execute(select(func.count()).select_from(lessons)).scalar_one()

    def status_of(self, kind: str) -> set[str]:
        return {item.status for item in self.bank.items() if item.kind == kind}


@pytest.fixture
def machine(tmp_path: Path, project: Project, clock: Any) -> Callable[[str], Machine]:
    opened: list[Store] = []

    def make(name: str) -> Machine:
        one = Machine(tmp_path, project, clock, name)
        opened.append(one.store)
        return one

    yield make
    for store in opened:
        store.close()


def forged(project: Project, event: dict[str, Any], mac: str, **changed: Any) -> None:
    row = {
        "key": event.get("event_id", "x"), "origin": "f" * 16, "sandbox": True, "lead_id": None,
        "event": event, "mac": mac, "at": "2026-03-10T14:00:00Z",
    }  # fmt: skip
    project.twin.tables.take("swarm_lessons", [row | changed], ["key"], "merge-duplicates")


def test_a_lesson_is_in_the_other_machines_bank_after_they_meet(machine: Any, clock: Any) -> None:
    ada, ben = machine("a"), machine("b")
    ada.learns(lesson(1, clock()))
    ada.meets()
    assert ben.meets() == Pulled(1, 0)
    assert ben.meets() == Pulled(0, 0)
    assert ada.bank.items() == ben.bank.items()
    with ben.store.read() as conn:  # what came from there is not sent there again
        assert conn.execute(select(func.count()).select_from(memory_outbox)).scalar_one() == 0


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_banks_that_learned_different_things_agree_after_they_meet_in_any_order_twice(
    data: st.DataObject, tmp_path_factory: Any, clock: Any
) -> None:
    from tests.orchestrator.memory.conftest import Project as Fresh

    project, folder = Fresh(clock), tmp_path_factory.mktemp("machines")
    machines = [Machine(folder, project, clock, name) for name in "ab"]
    numbers = st.lists(st.integers(0, 12), max_size=6)
    outcomes = st.sampled_from(("rejection", "hard_bounce", "positive_reply", "unsubscribe"))
    trusts = st.sampled_from(("human", "system", "lead_derived"))
    for one in machines:
        for number in data.draw(numbers):
            outcome, trust = data.draw(outcomes), data.draw(trusts)
            name = f"{outcome}:{trust}:{number}"
            one.learns(
                lesson(number, clock() - timedelta(hours=number), event_id=name, outcome=outcome,
                       trust=trust, reason_code="tone" if outcome == "rejection" else None)
            )  # fmt: skip
    order = data.draw(st.permutations(machines * 2))
    for one in (*order, *machines, *machines):
        one.meets()
    first, second = (one.bank.items() for one in machines)
    assert first == second
    again = [Bank(one.hive.bank_file, one.bank.policy, clock).items() for one in machines]
    assert again == [first, second]
    for one in machines:
        one.store.close()


def test_a_lesson_about_somebody_whom_another_database_forgot_counts_without_its_words(
    machine: Any, project: Project, clock: Any
) -> None:
    ada, ben, cyn = machine("a"), machine("b"), machine("c")
    ben.learns(lesson(1, clock()))  # and is away
    clock.step(seconds=60)
    with ada.store.transaction() as conn:
        forget(conn, "L-1", iso(clock()))
    ada.meets()
    ben.meets()
    assert cyn.meets() == Pulled(1, 0)
    assert [row["event"]["text"] for row in project.rows("swarm_lessons")] == [""]
    counted = [(item.id, item.alpha, item.status) for item in cyn.bank.items()]
    assert counted == [(item.id, item.alpha, item.status) for item in ben.bank.items()]


@pytest.mark.parametrize("known_there", [True, False])
def test_who_was_forgotten_here_stays_so_though_another_database_had_spoken_of_them(
    machine: Any, project: Project, clock: Any, known_there: bool
) -> None:
    ada, ben, cyn = machine("a"), machine("b"), machine("c")
    ada.learns(lesson(1, clock()), lesson(2, clock()))
    (rule,) = (key for key, _ in contributions(lesson(1, clock())) if key.match.rule == "resend")
    ada.learns(ItemAction(event_id="act:1", at=clock(), action="released", actor="U-1",
                          text="Ihr Bruder", key=rule))  # fmt: skip
    ada.meets()
    clock.step(seconds=60)
    with ben.store.transaction() as conn:
        forget(conn, "L-1", iso(clock()))
    if known_there:
        assert ben.meets() == cyn.meets() == Pulled(3, 0)
        readers = [ben, cyn]
    else:  # what waits for the memory is not through yet
        project.run(lambda wire: Pull(ben.store, wire, ben.sender, clock).look())
        ben.folds()
        readers = [ben]
    for one in readers:
        with one.store.read() as conn:
            rows = conn.execute(select(lessons)).all()
        words = {row.event_id: json.loads(row.document)["text"] for row in rows}
        assert words == {"act:1": "", "rejection:AP-1": "", "rejection:AP-2": "Zu aufdringlich"}
        held = {e.event_id: e.text for item in one.bank.items() for e in item.evidence}
        assert held.items() >= words.items()
        counted = [(item.id, item.alpha, item.status) for item in one.bank.items()]
        assert counted == [(item.id, item.alpha, item.status) for item in ada.bank.items()]


def test_what_is_said_of_somebody_after_they_were_forgotten_is_heard(
    machine: Any, clock: Any
) -> None:
    ada, ben = machine("a"), machine("b")
    with ben.store.transaction() as conn:
        forget(conn, "L-1", iso(clock()))
    ben.meets()
    clock.step(seconds=60)
    ada.learns(lesson(1, clock()))
    ada.meets()
    assert ben.meets() == Pulled(1, 0)
    assert {e.text for item in ben.bank.items() for e in item.evidence} >= {"Zu aufdringlich"}


def test_more_than_a_page_comes_whole_though_the_project_cuts_pages(
    machine: Any, project: Project, clock: Any
) -> None:
    project.behave(supabase_most_rows=100)
    ben = machine("b")
    for number in range(230):
        event = lesson(number, clock()).model_dump(mode="json")
        forged(project, event, seal(SALT, event))
    assert ben.meets() == Pulled(230, 0)


def test_a_lesson_that_slips_into_a_page_already_read_is_read_all_the_same(
    machine: Any, project: Project, clock: Any
) -> None:
    project.behave(supabase_most_rows=2)
    ben = machine("b")
    events = [lesson(number, clock()).model_dump(mode="json") for number in range(5)]
    for event in events:
        forged(project, event, seal(SALT, event))
        clock.step(seconds=300)  # longer than what is read again the next time

    async def look(wire: MemoryWire) -> Pulled:
        class Moving:
            async def page(self, *args: Any) -> list[dict[str, Any]]:
                rows = await wire.page(*args)
                if rows and rows[0]["key"] == events[0]["event_id"]:
                    forged(project, events[0], seal(SALT, events[0]))  # written anew: now the last
                return rows

        return await Pull(ben.store, Moving(), ben.sender, clock).look()

    assert project.run(look) == Pulled(5, 0)


def test_what_bears_no_seal_of_ours_teaches_nobody(
    machine: Any, project: Project, clock: Any
) -> None:
    ben = machine("b")
    before = ben.bank.items()
    event = lesson(1, clock()).model_dump(mode="json")
    good = seal(SALT, event)
    forged(project, event, seal(b"t" * 32, event))
    forged(
        project, event | {"event_id": "e-2", "trust": "human", "outcome": "positive_reply"}, good
    )
    forged(project, event | {"event_id": "e-3", "text": "another word"}, good)
    forged(project, event | {"event_id": "e-4"}, "")
    forged(project, {}, seal(SALT, {}))  # by whoever knows the salt: no lesson all the same
    assert ben.meets() == Pulled(0, 4)
    assert (ben.lessons(), ben.bank.items()) == (0, before)


def test_a_lesson_of_a_newer_version_waits_until_it_can_be_read(
    machine: Any, project: Project, clock: Any
) -> None:
    ben = machine("b")
    before = ben.bank.items()
    event = lesson(1, clock()).model_dump(mode="json")
    newer = event | {"confidence": "high"}
    forged(project, newer, seal(SALT, newer))
    assert ben.meets() == Pulled(1, 0)
    assert ben.bank.items() == before
    chain = ben.hive.chain_id()
    with ben.store.read() as conn:
        assert unreadable(conn, chain) == [event["event_id"]]
        (row,) = conn.execute(select(lessons)).all()
    assert (row.lead_id, json.loads(row.document)) == (event["lead_id"], newer)


def test_what_came_in_is_not_read_again_for_ever(
    machine: Any, project: Project, clock: Any
) -> None:
    ben, now = machine("b"), [0.0]
    for number in range(3):
        event = lesson(number, clock()).model_dump(mode="json")
        forged(project, event, seal(SALT, event))
        clock.step(seconds=1)
    asked: list[int] = []

    async def looks(wire: MemoryWire) -> None:
        class Counted:
            async def page(self, *args: Any) -> list[dict[str, Any]]:
                rows = await wire.page(*args)
                asked.append(len(rows))
                return rows

        pull = Pull(ben.store, Counted(), ben.sender, clock, monotonic=lambda: now[0])
        for at in (0.0, 60.0, 121.0, 130.0):
            now[0] = at
            asked.clear()
            await pull.look()
            yielded.append(sum(asked))
        event = lesson(9, clock()).model_dump(mode="json")
        forged(project, event, seal(SALT, event))
        assert await pull.look() == Pulled(1, 0)

    yielded: list[int] = []
    project.run(looks)
    assert yielded == [3, 3, 3, 1]  # the last one's moment is the border


def test_an_act_that_the_memory_made_up_releases_retires_and_promotes_nothing(
    machine: Any, project: Project, clock: Any
) -> None:
    ben = machine("b")
    ben.learns(lesson(1, clock()), lesson(2, clock()))
    before = ben.bank.items()
    for item in before:
        for deed in ("retired", "released", "promoted"):
            act = {
                "event_id": f"{deed}:{item.id}", "at": iso(clock()), "action": deed, "text": "",
                "actor": "U-1", "key": {"kind": item.kind, "scope": item.scope.model_dump(),
                                        "match": item.match.model_dump(), "name": ""},
            }  # fmt: skip
            forged(project, act, seal(b"t" * 32, act))
    assert ben.meets().new == 0
    assert ben.bank.items() == before


def test_what_a_leads_side_said_elsewhere_stays_quarantined(machine: Any, clock: Any) -> None:
    ada, ben = machine("a"), machine("b")
    ada.learns(lesson(1, clock(), trust="lead_derived", outcome="angry_reply", reason_code=None))
    ada.meets()
    assert ben.meets().new == 1
    assert ben.status_of("learned_failure") == {"quarantined"}


def test_a_memory_that_lies_about_the_time_makes_nobody_overlook_what_follows(
    machine: Any, project: Project, clock: Any
) -> None:
    ada, ben = machine("a"), machine("b")
    ada.learns(lesson(1, clock()))
    ada.meets()
    project.rows("swarm_lessons")[0]["recorded_at"] = "2999-01-01T00:00:00.000000+00:00"
    assert ben.meets().new == 1
    clock.step(seconds=60)
    ada.learns(lesson(2, clock()))
    ada.meets()
    assert ben.meets().new == 1


def test_a_lesson_that_was_committed_late_is_not_overlooked(
    machine: Any, project: Project, clock: Any
) -> None:
    ada, ben = machine("a"), machine("b")
    ada.learns(lesson(1, clock()))
    ada.meets()
    ben.meets()
    clock.step(seconds=100)
    ada.learns(lesson(2, clock()))
    ada.meets()
    row = next(one for one in project.rows("swarm_lessons") if one["key"] == "rejection:AP-2")
    row["recorded_at"] = (clock() - timedelta(seconds=190)).isoformat()
    assert ben.meets().new == 1


def test_the_sandboxs_lessons_and_the_real_ones_never_mix(
    machine: Any, project: Project, clock: Any
) -> None:
    ben = machine("b")
    event = lesson(1, clock()).model_dump(mode="json")
    forged(project, event, seal(SALT, event), sandbox=False)
    assert ben.meets() == Pulled(0, 0)
