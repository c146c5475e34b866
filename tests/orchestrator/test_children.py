"""Supervision: dead and hung servers come back, and only safe calls are repeated."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from guardrails.brakes.failures import FailureTracker, clusters
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import utc_now
from guardrails.correlation import Correlation, correlated
from guardrails.errors import Failure, LeadQuarantined, ServerUnavailable
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.children import Child, Children
from orchestrator.incidents import Incidents, Watcher
from orchestrator.nursery import Nursery
from tests.orchestrator.fakes.awkward import awkward as spec
from tests.orchestrator.fakes.awkward import awkward_nursery
from tests.orchestrator.fakes.awkward_server import DO, DO_ONCE, Do

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
Open = Callable[..., AbstractAsyncContextManager[Child]]


class Diary:
    """A watcher that notes what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def lost(self, server: str, tool: str, why: str, *, hung: bool) -> None:
        self.notes.append(f"{server}.{tool} {'hung' if hung else 'died'}")

    async def failed(self, server: str, tool: str, failure: Failure) -> None:
        self.notes.append(f"{server}.{tool} {failure.code}")

    def served(self, server: str) -> None:
        self.notes.append(f"{server} served")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    async with awkward_nursery(tmp_path_factory.mktemp("nursery")) as started:
        yield started


@pytest.fixture
def child(nursery: Nursery, tmp_path: Path) -> Open:
    @asynccontextmanager
    async def open_child(watcher: Watcher | None = None) -> AsyncIterator[Child]:
        one = Child(spec(), tmp_path, watcher or Diary(), nursery)
        await one.open()
        try:
            yield one
        finally:
            await one.close()

    return open_child


def descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


async def test_a_killed_server_is_restarted_and_answers_again(child: Open) -> None:
    async with child() as one:
        before = one.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        answer = await one.call(DO, Do(what="echo", text="back"), 30)
        assert answer.text == "back"
        assert answer.pid != before
        assert one.restarts == 1


async def test_a_read_only_call_is_repeated_after_a_crash(child: Open, tmp_path: Path) -> None:
    async with child() as one:
        marker = str(tmp_path / "died")
        answer = await one.call(DO, Do(what="die_first_time", text=marker), 30)
        assert answer.text == marker


async def test_a_call_that_is_not_idempotent_is_never_repeated(child: Open, tmp_path: Path) -> None:
    async with child() as one:
        marker = str(tmp_path / "died")
        with pytest.raises(ServerUnavailable):
            await one.call(DO_ONCE, Do(what="die_first_time", text=marker), 30)


async def test_a_server_that_always_dies_fails_in_bounded_time(child: Open) -> None:
    async with child() as one:
        with pytest.raises(ServerUnavailable):
            await one.call(DO, Do(what="die"), 30)


async def test_a_lead_that_always_kills_its_server_is_quarantined_and_the_next_is_served(
    child: Open, tmp_path: Path, hive: Hive, sqlite_store: Store
) -> None:
    quarantine = Quarantine(sqlite_store, utc_now)
    tracker = FailureTracker(sqlite_store, hive, utc_now, "queen")
    incidents = Incidents(tracker, quarantine, limit=3)
    async with child(incidents) as one:
        with correlated(Correlation("L-poison", "R-1")), pytest.raises(LeadQuarantined):
            await one.call(DO, Do(what="die"), 30)
        with correlated(Correlation("L-good", "R-1")):
            marker = str(tmp_path / "died")
            assert (await one.call(DO, Do(what="die_first_time", text=marker), 30)).text == marker
    await incidents.drain()
    assert [held.lead_id for held in await quarantine.all()] == ["L-poison"]
    with sqlite_store.read() as conn:
        found = clusters(conn)
    assert [(one.kind, one.server, one.count, one.leads) for one in found] == [
        ("server_died", "awkward", 4, 2)
    ]


async def test_a_stopped_server_is_killed_and_replaced(child: Open) -> None:
    diary = Diary()
    async with child(diary) as one:
        before = one.pid
        assert before is not None
        os.kill(before, signal.SIGSTOP)
        answer = await one.call(DO, Do(what="echo", text="new"), 5)
        assert answer.pid != before
    assert diary.notes == ["awkward.do hung", "awkward served"]


async def test_one_server_that_cannot_start_leaves_none_behind(
    nursery: Nursery, tmp_path: Path
) -> None:
    specs = [spec("good"), spec("bad", REFUSE_TO_START="1")]
    children = Children(specs, tmp_path, 10, Diary(), nursery)
    before = descendants()
    with pytest.raises(ServerUnavailable, match="the moon is in the wrong place"):
        async with children:
            pass
    assert descendants() - before == set()


async def test_closing_leaves_no_process(nursery: Nursery, tmp_path: Path) -> None:
    async with Children([spec("one"), spec("two")], tmp_path, 10, Diary(), nursery) as children:
        pids = [pid for pid in children.pids().values() if pid]
        assert len(pids) == 2
    await asyncio.sleep(0)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
