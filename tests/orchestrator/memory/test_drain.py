"""What is to be remembered arrives once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.remembering import Fact, begin, end, forget, remembers
from guardrails.store import Store, open_store
from guardrails.store.fleet_tables import memory_outbox
from orchestrator.memory.drain import BATCH, Drain, Drained
from orchestrator.memory.outbox import backlog, try_again
from orchestrator.memory.rows import Sender, sealed
from orchestrator.memory.wire import MemoryAway, MemoryRefused, MemoryWire
from servers.sandbox.twin_supabase import LEGACY_KEY, PUBLISHABLE_KEY
from tests.orchestrator.memory.conftest import SALT, Project, told, touch


def waiting(store: Store) -> int:
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(memory_outbox)).scalar_one()


def drained(project: Project, store: Store, sender: Sender, clock: Any) -> Drained:
    return project.run(lambda wire: Drain(store, wire, sender, clock).batch())


def test_what_is_told_arrives_and_leaves_the_outbox(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    touch(store, "A-1", clock())
    told(store, Fact.SUPPRESSION, "hash", clock(), kind="email", reason="opt_out", source="slack")
    assert drained(project, store, sender, clock) == Drained(2, 0, more=False)
    (row,) = project.rows("swarm_touches")
    assert (row["key"], row["lead_id"], row["channel"]) == (f"{'a' * 16}/A-1", "L-1", "instantly")
    assert [row["key"] for row in project.rows("swarm_suppressions")] == ["hash"]
    assert waiting(store) == 0


def test_without_a_memory_nothing_is_written_for_one(store: Store, clock: Any) -> None:
    with store.read() as conn:
        assert not remembers(conn)
    touch(store, "A-1", clock())
    assert waiting(store) == 0


def test_a_memory_that_is_given_up_leaves_no_outbox(
    store: Store, sender: Sender, clock: Any
) -> None:
    touch(store, "A-1", clock())
    with store.transaction() as conn:
        end(conn)
    touch(store, "A-2", clock())
    assert waiting(store) == 0


def test_what_was_done_and_answered_with_an_error_is_sent_again_to_no_effect(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    for number in range(5):
        touch(store, f"A-{number}", clock() + timedelta(seconds=number))
    project.behave(act_and_fail={"supabase": 1})
    with pytest.raises(MemoryAway, match="502"):
        drained(project, store, sender, clock)
    assert (waiting(store), len(project.rows("swarm_touches"))) == (5, 5)
    before = project.rows("swarm_touches")
    assert drained(project, store, sender, clock).sent == 5
    assert (waiting(store), project.rows("swarm_touches")) == (0, before)


def test_an_outage_of_days_loses_nothing_and_what_was_rejected_holds_up_nobody(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    project.behave(outage={"supabase": 503})
    for day in range(4):
        for number in range(3):
            touch(store, f"A-{day}-{number}", clock())
            clock.step(seconds=1)
        told(store, Fact.TOUCH, f"broken-{day}", clock(), "L-9", run_id=None)
        with pytest.raises(MemoryAway):
            drained(project, store, sender, clock)
        clock.step(days=1)
    project.behave(outage={})
    assert drained(project, store, sender, clock) == Drained(12, 4, more=False)
    assert len(project.rows("swarm_touches")) == 12
    with store.read() as conn:
        found = backlog(conn)
    assert (found.waiting, found.set_aside) == (4, 4)
    assert found.rejected[0][:2] == ("touch", "broken-0")
    assert "23502" in found.rejected[0][2]
    requests = project.requests()
    assert drained(project, store, sender, clock) == Drained(0, 0, more=False)
    assert project.requests() == requests  # they rest
    clock.step(seconds=2 * 3600)
    assert drained(project, store, sender, clock).set_aside == 4
    with store.transaction() as conn:
        assert try_again(conn) == 4
    assert drained(project, store, sender, clock).set_aside == 4


def test_a_batch_is_bounded_and_says_that_there_is_more(
    sqlite_store: Store, project: Project, clock: Any
) -> None:
    with sqlite_store.transaction() as conn:
        sender = Sender(begin(conn, iso(clock()), "a" * 16), True, SALT)
    for number in range(BATCH + 1):
        touch(sqlite_store, f"A-{number}", clock())
    assert drained(project, sqlite_store, sender, clock) == Drained(BATCH, 0, more=True)
    assert drained(project, sqlite_store, sender, clock) == Drained(1, 0, more=False)
    assert project.requests() == 2


def test_the_same_fact_said_twice_in_one_batch_is_one_row(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    touch(store, "A-1", clock())
    clock.step(seconds=1)
    touch(store, "A-1", clock())
    assert drained(project, store, sender, clock).sent == 2
    assert len(project.rows("swarm_touches")) == 1


def test_who_was_forgotten_is_erased_there_and_nothing_of_them_comes_in_any_more(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    touch(store, "A-1", clock(), "L-1")
    touch(store, "A-2", clock(), "L-2")
    drained(project, store, sender, clock)
    clock.step(seconds=1)
    touch(store, "A-3", clock(), "L-1")
    late = project.rows("swarm_touches")[0]
    clock.step(seconds=1)
    with store.transaction() as conn:
        assert forget(conn, "L-1", iso(clock())) == 1
    drained(project, store, sender, clock)
    assert [row["lead_id"] for row in project.rows("swarm_touches")] == ["L-2"]
    project.run(lambda wire: _again(wire, late))  # a process that had stood still meanwhile
    assert [row["lead_id"] for row in project.rows("swarm_touches")] == ["L-2"]


def test_what_comes_after_an_erasure_is_not_erased_with_what_came_before(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    touch(store, "A-1", clock(), "L-2")
    clock.step(seconds=1)
    with store.transaction() as conn:
        forget(conn, "L-1", iso(clock()))
    clock.step(seconds=1)
    touch(store, "A-2", clock(), "L-1")  # they came in anew, and all of it waits in one batch
    drained(project, store, sender, clock)
    assert sorted(row["lead_id"] for row in project.rows("swarm_touches")) == ["L-1", "L-2"]


def test_who_is_forgotten_a_second_time_is_kept_out_from_then_on(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    def forgotten() -> None:
        clock.step(seconds=1)
        with store.transaction() as conn:
            forget(conn, "L-1", iso(clock()))
        drained(project, store, sender, clock)

    forgotten()
    clock.step(days=90)  # they came in anew
    touch(store, "A-1", clock(), "L-1")
    drained(project, store, sender, clock)
    (late,) = project.rows("swarm_touches")
    forgotten()
    project.run(lambda wire: _again(wire, late))
    assert project.rows("swarm_touches") == []


def test_who_is_forgotten_while_a_lesson_about_them_is_on_its_way_has_no_words_there(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    event = {"event_id": "e", "at": iso(clock()), "text": "too familiar"}
    told(store, Fact.LESSON, "e", clock(), "L-1", event=event)

    async def work(wire: MemoryWire) -> None:
        class Slow:
            erase = wire.erase
            asked = 0

            async def upsert(self, *args: Any, **how: Any) -> frozenset[str]:
                self.asked += 1
                if self.asked == 1:  # and the clock stands still
                    with store.transaction() as conn:
                        forget(conn, "L-1", iso(clock()))
                    told(store, Fact.LESSON, "e", clock(), "L-1", event=event | {"text": ""})
                return await wire.upsert(*args, **how)

        slow = Slow()
        for _ in range(2):
            await Drain(store, slow, sender, clock).batch()

    project.run(work)
    assert waiting(store) == 0
    assert [row["event"]["text"] for row in project.rows("swarm_lessons")] == [""]


def test_an_erasure_that_comes_late_takes_nothing_that_another_database_told_after_it(
    sqlite_store: Store, project: Project, clock: Any, tmp_path: Path
) -> None:
    here, there = sqlite_store, open_store(Hive.open(tmp_path / "there", sandbox=True))
    senders = []
    for one, name in ((here, "a"), (there, "b")):
        with one.transaction() as conn:
            senders.append(Sender(begin(conn, iso(clock()), name * 16), True, SALT))
    touch(here, "A-0", clock())
    drained(project, here, senders[0], clock)
    clock.step(seconds=1)
    with here.transaction() as conn:
        forget(conn, "L-1", iso(clock()))  # and is away
    clock.step(days=90)  # they come in anew, elsewhere
    touch(there, "B-1", clock())
    told(there, Fact.OUTCOME, "o", clock(), "L-1", kind="complaint", vendor="ghl")
    drained(project, there, senders[1], clock)
    drained(project, here, senders[0], clock)
    assert [row["audit_id"] for row in project.rows("swarm_touches")] == ["B-1"]
    assert [row["kind"] for row in project.rows("swarm_outcomes")] == ["complaint"]
    there.close()


def test_what_was_sent_before_an_erasure_goes_though_the_clock_was_set_back(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    touch(store, "A-1", clock())
    drained(project, store, sender, clock)
    clock.step(seconds=-30)
    with store.transaction() as conn:
        forget(conn, "L-1", iso(clock()))
    drained(project, store, sender, clock)
    assert project.rows("swarm_touches") == []


async def _again(wire: MemoryWire, row: dict[str, Any]) -> None:
    whole = {name: value for name, value in row.items() if name != "recorded_at"}
    await wire.upsert("swarm_touches", [whole], merge=False)


@pytest.mark.parametrize(
    ("switch", "said"),
    [
        ({"supabase_empty": True}, "swarm memory init"),
        ({"auth": {"supabase": "revoked"}}, "SUPABASE_KEY"),
    ],
)
def test_what_concerns_everybody_sets_nothing_aside_and_names_the_remedy(
    store: Store, project: Project, sender: Sender, clock: Any, switch: Any, said: str
) -> None:
    touch(store, "A-1", clock())
    project.behave(**switch)
    with pytest.raises(MemoryRefused) as refused:
        drained(project, store, sender, clock)
    assert said in refused.value.remedy
    with store.read() as conn:
        assert backlog(conn).set_aside == 0


def test_a_key_bound_by_row_security_is_named(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    project.key = PUBLISHABLE_KEY
    touch(store, "A-1", clock())
    with pytest.raises(MemoryRefused, match="row security"):
        drained(project, store, sender, clock)


@pytest.mark.parametrize("legacy", [False, True])
def test_both_styles_of_keys_work_where_a_bearer_must_be_a_jwt(
    store: Store, project: Project, sender: Sender, clock: Any, legacy: bool
) -> None:
    project.key = LEGACY_KEY if legacy else project.key
    project.behave(supabase_refuses_bearer=True)
    touch(store, "A-1", clock())
    assert drained(project, store, sender, clock).sent == 1


class Torn(httpx.AsyncBaseTransport):
    """Answers with something that is no answer, or with none."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.Response(503, text="<html>upstream</html>"),
        httpx.Response(503, headers={"Retry-After": "\u00b2".encode()}, text="a digit, no number"),
        httpx.Response(429, headers={"Retry-After": "7"}, json={"message": "slow down"}),
        httpx.Response(500, json={"code": "57014", "message": "statement timeout"}),
    ],
)
def test_whatever_the_network_does_the_facts_wait(
    store: Store, project: Project, sender: Sender, clock: Any, answer: Any
) -> None:
    project.transport = Torn(answer)
    touch(store, "A-1", clock())
    with pytest.raises(MemoryAway) as away:
        drained(project, store, sender, clock)
    assert waiting(store) == 1
    assert away.value.retry_after_s == (7.0 if getattr(answer, "status_code", 0) == 429 else None)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Log in to this network</html>"),
        httpx.Response(201, json={"ok": True}),
        httpx.Response(302, headers={"Location": "https://login.example"}),
        httpx.Response(400, text="<html>plain HTTP was sent to an HTTPS port</html>"),
        httpx.Response(402, json={"message": "exceeded quota"}),
        httpx.Response(404, text="<html>nobody here</html>"),
        httpx.Response(405, json={"code": "25006", "message": "read-only: the disk is full"}),
        httpx.Response(408, text="late"),
        httpx.Response(502, text='<td width="220">Bad gateway</td>'),
    ],
    ids=lambda answer: str(answer.status_code),
)
def test_a_fact_is_neither_done_with_nor_blamed_by_the_word_of_somebody_else(
    sqlite_store: Store, project: Project, clock: Any, answer: httpx.Response
) -> None:
    with sqlite_store.transaction() as conn:
        sender = Sender(begin(conn, iso(clock()), "a" * 16), True, SALT)
    project.transport = Torn(answer)
    touch(sqlite_store, "A-1", clock())
    with pytest.raises((MemoryAway, MemoryRefused)):
        drained(project, sqlite_store, sender, clock)
    with sqlite_store.read() as conn:
        found = backlog(conn)
    assert (found.waiting, found.set_aside) == (1, 0)


@pytest.mark.parametrize("change", [{"document": "{"}, {"kind": "newer"}])
def test_a_row_of_the_outbox_that_cannot_be_read_is_set_aside(
    store: Store, project: Project, sender: Sender, clock: Any, change: dict[str, str]
) -> None:
    touch(store, "A-1", clock())
    clock.step(seconds=1)
    touch(store, "A-2", clock())
    broken = update(memory_outbox).where(memory_outbox.c.key == "A-1").values(change)
    with store.transaction() as conn:
        conn.execute(broken)
    assert drained(project, store, sender, clock) == Drained(1, 1, more=False)


def test_two_who_drain_at_once_double_nothing(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    for number in range(20):
        touch(store, f"A-{number}", clock())

    async def both(wire: MemoryWire) -> None:
        drains = (Drain(store, wire, sender, clock) for _ in range(2))
        await asyncio.gather(*(one.batch() for one in drains))

    project.run(both)
    assert (waiting(store), len(project.rows("swarm_touches"))) == (0, 20)


def test_no_address_leaves_with_a_persons_words(
    store: Store, project: Project, sender: Sender, clock: Any
) -> None:
    event = {"event_id": "e", "at": iso(clock()), "text": "ask ana@elm.example first"}
    told(store, Fact.LESSON, "e", clock(), "L-1", event=event)
    assert drained(project, store, sender, clock).sent == 1
    (row,) = project.rows("swarm_lessons")
    assert "elm.example" not in row["event"]["text"]
    assert sealed(SALT, row["event"], row["mac"])
