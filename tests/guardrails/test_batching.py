"""What waits together is made durable together."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from guardrails.batching import MAX_BATCH, Batcher, Outcome
from guardrails.errors import BadInput, StoreUnavailable


class Slow:
    """Work that begins only when told to, and remembers its batches."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[Outcome[int]]:
        self.begun.set()
        assert self.go.wait(10)
        self.batches.append(list(items))
        return [Outcome(error=BadInput("odd")) if item % 2 else Outcome(item) for item in items]


def batcher(work: Slow) -> Batcher[int, int]:
    return Batcher("test", work, lambda: StoreUnavailable("closed"))


def test_what_arrives_during_a_batch_forms_the_next_one() -> None:
    work = Slow()
    desk = batcher(work)
    first = desk.submit(0)
    assert work.begun.wait(10)
    rest = [desk.submit(number) for number in range(1, MAX_BATCH + 2)]
    work.go.set()
    assert first.result(10) == 0
    assert rest[1].result(10) == 2
    desk.close()
    assert work.batches == [[0], list(range(1, MAX_BATCH + 1)), [MAX_BATCH + 1]]


def test_one_failing_item_fails_alone() -> None:
    work = Slow()
    work.go.set()
    desk = batcher(work)
    futures = [desk.submit(number) for number in range(4)]
    assert [future.exception(10) is None for future in futures] == [True, False, True, False]
    desk.close()


def test_a_failing_batch_fails_every_item_and_not_the_next_batch() -> None:
    def work(items: Sequence[int]) -> list[Outcome[int]]:
        if 1 in items:
            raise StoreUnavailable("gone")
        return [Outcome(item) for item in items]

    desk: Batcher[int, int] = Batcher("test", work, lambda: StoreUnavailable("closed"))
    with pytest.raises(StoreUnavailable):
        desk.submit(1).result(10)
    assert desk.submit(2).result(10) == 2
    desk.close()


def test_an_item_cancelled_while_it_waits_is_left_out() -> None:
    work = Slow()
    desk = batcher(work)
    desk.submit(0)
    assert work.begun.wait(10)
    waiting = [desk.submit(2), desk.submit(4)]
    assert waiting[0].cancel()
    work.go.set()
    assert waiting[1].result(10) == 4
    desk.close()
    assert work.batches == [[0], [4]]


def test_closing_finishes_what_was_submitted_and_refuses_more() -> None:
    work = Slow()
    desk = batcher(work)
    futures = [desk.submit(number) for number in (0, 2, 4)]
    work.go.set()
    desk.close()
    assert [future.result(0) for future in futures] == [0, 2, 4]
    with pytest.raises(StoreUnavailable):
        desk.submit(6)
    desk.close()
