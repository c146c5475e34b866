"""Many at once, and killed in between: the cap holds to the micro-dollar (P10)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from guardrails.brakes.spend import STALE, SpendBook
from guardrails.clock import utc_now
from guardrails.errors import SpendCapped
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from tests.conftest import SteppableClock
from tests.guardrails.brakes.spending import PRICE, Till, call, spend

pytestmark = pytest.mark.anyio
_CHILD = """
import json, sys
from pathlib import Path
import structlog
from guardrails.brakes.spend import SpendBook
from guardrails.clock import utc_now
from guardrails.errors import SpendCapped
from guardrails.hive import Hive
from guardrails.store import open_store
from tests.guardrails.brakes.spending import call, spend

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # stdout is ours
store = open_store(Hive.open(Path(sys.argv[1]), sandbox=True), sys.argv[2] or None)
book = SpendBook(spend(**json.loads(sys.argv[3])), utc_now)
name, vendors, die = sys.argv[4], sys.argv[5].split(","), sys.argv[6] == "die"

def reserve(number):
    with store.transaction() as conn:
        for vendor in vendors if number % 2 else reversed(vendors):
            book.reserve(conn, call(f"{name}-{number}-{vendor}", vendor=vendor))

print("ready", flush=True)
sys.stdin.readline()
passed = 0
for number in range(17):
    try:
        reserve(number)
        passed += 1
    except SpendCapped:
        pass
print(passed, flush=True)
if die:
    sys.stdin.readline()  # killed here, between reserving and settling
"""


class Children:
    """Processes that reserve 17 times each, all let go at once."""

    def __init__(self, hive: Hive, url: str | None, vendors: str = "clay") -> None:
        self._hive, self._url, self._vendors = hive, url, vendors
        self.running: list[subprocess.Popen[str]] = []

    def start(self, count: int, *, die: bool = False, **caps: int) -> list[int]:
        """How many reservations each got."""
        pipe = subprocess.PIPE
        for number in range(count):
            arguments = [str(self._hive.path), self._url or "", json.dumps(caps), f"p{number}"]
            arguments += [self._vendors, "die" if die else ""]
            command = [sys.executable, "-c", _CHILD, *arguments]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
            child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
            self.running.append(child)
        assert [self.line(child) for child in self.running] == ["ready"] * count
        for child in self.running:
            self.tell(child)
        return [int(self.line(child)) for child in self.running]

    @staticmethod
    def line(child: subprocess.Popen[str]) -> str:
        assert child.stdout is not None
        return child.stdout.readline().strip()

    @staticmethod
    def tell(child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    def end(self) -> None:
        for child in self.running:
            child.kill()
            child.communicate()


@pytest.fixture
def children(hive: Hive, store_url: str | None) -> Children:
    return Children(hive, store_url)


def test_of_50_calls_in_threads_of_two_stores_exactly_two_pass_under_room_for_two(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    stores = [open_store(hive, store_url) for _ in range(2)]
    tills = [Till(store, clock, spend(clay=2 * PRICE + 1)) for store in stores]

    def ask(number: int) -> str:
        try:
            tills[number % 2].reserve(f"e{number}")
        except SpendCapped:
            return "capped"
        return "passed"

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(ask, range(50))) == {"passed": 2, "capped": 48}
    assert tills[0].held()["*"] == tills[0].held()["clay"] == 2 * PRICE
    assert len(tills[0].statuses()) == 2
    for store in stores:
        store.close()


async def test_calls_that_share_a_transaction_are_refused_one_by_one(
    store: Store, clock: SteppableClock
) -> None:
    book = SpendBook(spend(total=2 * PRICE), clock)
    asked = [
        store.run(lambda conn, number=number: book.reserve(conn, call(f"e{number}")))
        for number in range(50)
    ]
    outcomes = Counter(
        type(one).__name__ for one in await asyncio.gather(*asked, return_exceptions=True)
    )
    till = Till(store, clock, spend())
    assert outcomes == {"NoneType": 2, "SpendCapped": 48}
    assert (till.held()["clay"], len(till.statuses())) == (2 * PRICE, 2)


def test_of_51_calls_in_three_processes_exactly_two_pass_under_room_for_two(
    children: Children, hive: Hive, store_url: str | None
) -> None:
    try:
        assert sum(children.start(3, clay=2 * PRICE)) == 2
    finally:
        children.end()
    store = open_store(hive, store_url)
    till = Till(store, utc_now, spend())
    assert till.report().total.calls == {"reserved": 2}
    assert till.held()["clay"] == 2 * PRICE
    store.close()


def test_processes_that_pay_two_vendors_in_opposite_order_do_not_block_each_other(
    hive: Hive, store_url: str | None
) -> None:
    children = Children(hive, store_url, "clay,rb2b")
    try:
        assert sum(children.start(2, total=30 * PRICE)) == 15
    finally:
        children.end()


def test_a_process_that_is_killed_before_settling_keeps_its_hold_until_it_is_reconciled(
    children: Children, hive: Hive, store_url: str | None
) -> None:
    try:
        assert children.start(1, die=True, clay=3 * PRICE) == [3]
        children.running[0].send_signal(signal.SIGKILL)
        assert children.running[0].wait() == -signal.SIGKILL
    finally:
        children.end()
    store = open_store(hive, store_url)
    restarted = Till(store, utc_now, spend(clay=3 * PRICE))
    with pytest.raises(SpendCapped):
        restarted.reserve("after")
    later = SteppableClock()
    later.now = utc_now() + STALE
    person = Till(store, later, spend(clay=3 * PRICE))
    stale = person.report().open_entries
    assert [one.why for one in stale] == ["stale"] * 3
    for one in stale:
        person.reconcile(one.entry_id, charged=False)
    restarted.reserve("after")
    assert restarted.held()["*"] == PRICE
    store.close()


def test_a_settlement_and_a_persons_word_at_once_leave_one_of_them_and_the_sums_right(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    stores = [open_store(hive, store_url) for _ in range(2)]
    tills = [Till(store, clock, spend(total=10 * PRICE)) for store in stores]
    names = [f"e{number}" for number in range(10)]
    for name in names:
        tills[0].reserve(name)
    clock.step(STALE.total_seconds())

    def end(number: int) -> None:
        till, name = tills[number % 2], names[number // 4]
        if number % 4 < 2:
            till.settle(name, "charged")
        else:
            till.reconcile(name, charged=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(end, range(40)))
    assert set(tills[0].statuses().values()) == {"released"}  # a person's word is the last
    assert tills[0].held("2026-03-10") == {"*": 0, "clay": 0, "rb2b": 0}
    for store in stores:
        store.close()
