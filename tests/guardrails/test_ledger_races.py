"""Many claims at once, in threads and processes: the caps hold exactly, and nothing goes twice."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from guardrails.errors import NotYet
from guardrails.hive import Hive
from guardrails.ledger import LedgerRefused
from guardrails.store import Store, open_store
from tests.conftest import SteppableClock
from tests.guardrails.ledger_samples import LEASE_S, Book, email, limits

pytestmark = pytest.mark.anyio
_MOMENT = timedelta(microseconds=1)  # by which one machine's clock is behind
_CHILD = """
import sys
from pathlib import Path
from guardrails.clock import utc_now
from guardrails.errors import NotYet
from guardrails.hive import Hive
from guardrails.store import open_store
from tests.guardrails.ledger_samples import Book, limits

store = open_store(Hive.open(Path(sys.argv[1]), sandbox=True), sys.argv[2] or None)
book = Book(store, utc_now, limits(per_hour=2))
print("ready", flush=True)
sys.stdin.readline()
passed = 0
for number in range(17):
    key = f"{sys.argv[3]}-{number}"
    try:
        book.claim(key)
        passed += 1
    except NotYet:
        continue
    if number % 2:
        book.dispatch(key, book.bind(key, f"P-{key}"))
print(passed, flush=True)
"""


def test_of_50_claims_in_threads_of_two_stores_exactly_two_pass_under_room_for_two(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    stores = [open_store(hive, store_url) for _ in range(2)]
    books = [Book(store, clock, limits(per_day=2)) for store in stores]

    def ask(number: int) -> str:
        try:
            books[number % 2].claim(f"send:{number}")
        except NotYet:
            return "full"
        return "claimed"

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(ask, range(50))) == {"claimed": 2, "full": 48}
    for store in stores:
        store.close()


async def test_claims_that_share_a_transaction_are_refused_one_by_one(
    store: Store, clock: SteppableClock
) -> None:
    book = Book(store, clock, limits(per_recipient_domain_hour=2))
    entries = [
        book.entry(f"send:{number}", email(f"p{number}@northwind.example")) for number in range(50)
    ]
    asked = [store.run(partial(book.ledger.claim, entry=one)) for one in entries]
    outcomes = Counter(
        type(one).__name__ for one in await asyncio.gather(*asked, return_exceptions=True)
    )
    assert outcomes == {"Claimed": 2, "NotYet": 48}


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["failed", "pending"])
def test_a_place_that_is_given_back_while_a_claim_counts_is_free_or_taken_and_no_trouble(
    hive: Hive, migrated_postgres_url: str, clock: SteppableClock, how: str
) -> None:
    """Before whichever of its statements: on PostgreSQL each of them sees what others committed."""
    stores = [open_store(hive, migrated_postgres_url) for _ in range(2)]
    books = [Book(store, clock, limits(per_hour=1)) for store in stores]
    for before in range(1, 100):
        said = _claimed_while_one_ends(*books, before, how)
        if said != "claimed":
            break
    assert said == "cap_hour"  # at last it comes too late: a no, all the same
    for store in stores:
        store.close()


def _claimed_while_one_ends(claiming: Book, ending: Book, before: int, how: str) -> str:
    old, numbers = f"old:{before}", itertools.count(1)
    ending.dispatched(old)

    def end(*_: Any) -> None:
        if next(numbers) == before:
            ending.end(old, how)

    with claiming.store.transaction() as conn:
        event.listen(conn, "before_cursor_execute", end)
        try:
            claiming.ledger.claim(conn, claiming.entry(f"new:{before}"))
        except NotYet as no:
            return no.because
        finally:
            event.remove(conn, "before_cursor_execute", end)
        claiming.ledger.end(conn, f"new:{before}", "pending")
    return "claimed"


def test_of_51_claims_in_three_processes_exactly_two_pass_under_room_for_two(
    hive: Hive, store: Store, store_url: str | None
) -> None:
    pipe, root = subprocess.PIPE, str(Path(__file__).parents[2])
    command = [sys.executable, "-c", _CHILD, str(hive.path), store_url or ""]
    children = [
        subprocess.Popen(
            [*command, f"p{number}"],
            stdin=pipe,
            stdout=pipe,
            text=True,
            env=os.environ | {"PYTHONPATH": root},
        )
        for number in range(3)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        told = [child.communicate("\n", timeout=120)[0] for child in _let_go(children)]
    finally:
        for child in children:
            child.kill()
    assert sum(int(line) for line in told) == 2


def _let_go(children: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """All at once: none waits for another one's end."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    return children


def test_of_many_who_claim_and_dispatch_one_email_exactly_one_gets_to_send_it(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    stores = [open_store(hive, store_url) for _ in range(2)]
    books = [Book(store, clock) for store in stores]

    def deliver(number: int) -> str:
        book = books[number % 2]
        try:
            book.claim("send:1")
            permit = book.bind("send:1", f"P-{number}")
            book.dispatch("send:1", permit)
        except LedgerRefused:
            return "refused"
        return "dispatched"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(deliver, range(24))) == {"dispatched": 1, "refused": 23}
    for store in stores:
        store.close()


def test_a_claim_that_runs_out_is_either_released_or_dispatched_and_never_both(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    stores = [open_store(hive, store_url) for _ in range(2)]
    books = [Book(store, clock, limits(per_day=1)) for store in stores]
    for turn in range(10):
        old, new = f"old:{turn}", f"new:{turn}"
        books[0].claim(old)
        permit = books[0].bind(old)
        clock.step(LEASE_S)
        late = Book(stores[1], lambda: clock() - _MOMENT, limits(per_day=1))

        def dispatch(late: Book = late, old: str = old, permit: object = permit) -> str:
            try:
                late.dispatch(old, permit)  # type: ignore[arg-type]
            except LedgerRefused:
                return "void"
            return "dispatched"

        def claim(new: str = new) -> str:
            try:
                books[0].claim(new)
            except NotYet:
                return "full"
            return "claimed"

        with ThreadPoolExecutor(2) as pool:
            ends = {future.result() for future in [pool.submit(dispatch), pool.submit(claim)]}
        assert ends in ({"dispatched", "full"}, {"void", "claimed"})
        clock.step(days=1)
    for store in stores:
        store.close()
