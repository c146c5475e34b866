"""One thread for durable work. Owns: putting what waits together into the next commit.

An fsync costs the same whatever it carries: items that arrive while a batch is being made
durable form the next batch. Refuses items after `close`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from guardrails.errors import SwarmError

MAX_BATCH = 64
CLOSE_S = 60.0
Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What became of one item: `error`, or `value`."""

    value: Value | None = None
    error: BaseException | None = None


class Batcher(Generic[Item, Value]):
    """Runs `work(items)` for batches of submitted items, in order of arrival, on one thread.

    `work` returns one outcome per item, in order; when it raises, every item of the batch gets
    that exception. The thread starts with the first item.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Outcome[Value]]],
        closed: Callable[[], SwarmError],
    ) -> None:
        self._name = name
        self._work = work
        self._refusal = closed
        self._queue: queue.SimpleQueue[tuple[Item, Future[Value]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._closed = False

    def submit(self, item: Item) -> Future[Value]:
        """The future of `item`; a future cancelled before its batch begins is left out."""
        future: Future[Value] = Future()
        with self._guard:
            if self._closed:
                raise self._refusal()
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._queue.put((item, future))
        return future

    def close(self) -> None:
        """Finish what was submitted and end the thread (waits at most a minute)."""
        with self._guard:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(CLOSE_S)

    def _serve(self) -> None:
        more = True
        while more:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    more = False
                    break
                batch.append(following)
            self._finish([pair for pair in batch if pair[1].set_running_or_notify_cancel()])

    def _finish(self, batch: list[tuple[Item, Future[Value]]]) -> None:
        if not batch:
            return
        try:
            outcomes = self._work([item for item, _ in batch])
        except BaseException as error:  # noqa: BLE001  the thread's edge: the callers get it
            outcomes = [Outcome(error=error)] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.value)  # type: ignore[arg-type]
