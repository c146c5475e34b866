"""How long a lesson takes into the bank: recorded, folded, on disk; by the size of the bank.

`at once` is a process that holds the bank in memory, as the queen and the gateway do; `from cold`
reads the whole file first, as a command does or a process whose file another one has changed. One
lesson at a time, and a hundred at once. Nothing is asserted. Seeded.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path

from bench.bank_consult import NOW, _items, _lesson
from bench.common import show
from guardrails.bank import Bank, Lesson
from guardrails.bank.file import exclusive, write_document
from guardrails.clock import iso
from guardrails.config.loader import load_config
from guardrails.config.models import BankPolicy
from guardrails.hive import Hive
from guardrails.lesson_folding import fold_pending
from guardrails.lessons import record_lesson
from guardrails.store import Store, open_store

SIZES = (100, 1_000, 10_000)
TIMES = 20
MANY = 100


def _fold(store: Store, bank: Bank, hive: Hive, lessons: list[Lesson]) -> float:
    started = time.perf_counter()
    with store.transaction() as conn:
        for lesson in lessons:
            record_lesson(conn, lesson, iso(NOW))
    asyncio.run(fold_pending(store, bank, hive, lambda: NOW))
    return time.perf_counter() - started


def _measure(size: int, policy: BankPolicy) -> tuple[object, ...]:
    rng = random.Random(size)
    numbers = iter(range(10**11, 10**12))

    def fresh(count: int) -> list[Lesson]:
        return [_lesson(rng, next(numbers), max(1, size // 100)) for _ in range(count)]

    with tempfile.TemporaryDirectory() as folder:
        hive = Hive.open(Path(folder) / "hive", sandbox=True)
        with exclusive(hive.bank_file):
            write_document(hive.bank_file, _items(size), counter=1)
        store = open_store(hive)
        bank = Bank.open(hive.bank_file, policy, lambda: NOW)
        _fold(store, bank, hive, fresh(1))
        one = sorted(_fold(store, bank, hive, fresh(1)) for _ in range(TIMES))
        many = _fold(store, bank, hive, fresh(MANY))
        cold = _fold(store, Bank(hive.bank_file, policy, lambda: NOW), hive, fresh(1))
        store.close()
    seconds = (one[TIMES // 2], one[-1], many, cold)
    return (f"{size:,}", *(f"{1000 * value:.0f}" for value in seconds))


def main() -> None:
    """Print the table."""
    policy = load_config().policy.bank
    columns = ("items", "one, p50 ms", "one, max ms", f"{MANY} at once, ms", "from cold, ms")
    show("A lesson into the bank", columns, [_measure(size, policy) for size in SIZES])


if __name__ == "__main__":
    main()
