"""A database that may be away when the server starts. Owns: that nothing is done with it unseen.

Its schema, and whether this hive may work with it, are looked at before the first transaction, and
at each one until that succeeds. So the status and the stop are there on the day on which the
database is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from guardrails.store import Store


class LateStore(Store):
    """Every method may raise StoreUnavailable, or ConfigError where it is not this hive's."""

    def __init__(self, engine: Engine, admit: Callable[[Connection], None] | None = None) -> None:
        super().__init__(engine, admit)
        self._looking = threading.RLock()  # the look has transactions of its own
        self._seen = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """See `Store`."""
        self._look()
        with super().transaction() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See `Store`."""
        self._look()
        with super().read() as conn:
            yield conn

    def migrate(self) -> None:
        """See `Store`."""
        with self._looking:
            self._seen = True
            try:
                super().migrate()
            except BaseException:
                self._seen = False
                raise

    def _look(self) -> None:
        with self._looking:
            if not self._seen:
                self.migrate()
