"""Work that may never come back. Owns: going on without it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Bounded:
    """Runs a call on a thread of its own, and goes on without it when it takes too long."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def run(self, call: Callable[[], T], seconds: float) -> T:
        """Its result.

        Raises:
            TimeoutError: it takes longer, or the one before it has not come back yet.
        """
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(seconds)
            if self._thread.is_alive():
                raise TimeoutError
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                results.append(call())
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                errors.append(error)

        self._thread = threading.Thread(target=work, name="look", daemon=True)
        self._thread.start()
        self._thread.join(seconds)
        if errors:
            raise errors[0]
        if not results:
            raise TimeoutError
        return results[0]
