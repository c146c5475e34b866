"""emails.json: what would have been sent. Owns: that it is a valid JSON array at every instant.

The truth is the table `shadow_emails`; the file is a projection of it, written beside and put in
place by an atomic rename, in constant memory. It is written at most once in a while during a run
(the pause grows with the time a write takes, so that a long run does not rewrite for ever) and
always at its end.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import select

from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import shadow_emails

_MIN_PAUSE_S = 0.5
_PAUSE_FACTOR = 20.0
_BATCH = 500


class EmailLog(Protocol):
    """Where the e-mails of a run can be read. See `ShadowLog`."""

    async def begin(self, previous_run_id: str | None) -> None: ...
    async def refresh(self) -> None: ...
    async def write(self) -> None: ...


class NoLog:
    """Of a run whose e-mails are not of the "would have been sent" kind: it keeps none."""

    async def begin(self, previous_run_id: str | None) -> None:
        """See `EmailLog`."""

    async def refresh(self) -> None:
        """See `EmailLog`."""

    async def write(self) -> None:
        """See `EmailLog`."""


class ShadowLog:
    """The shadow log of one run.

    Args:
        together: which runs the file of a run shows; only itself by default.
    """

    def __init__(
        self,
        hive: Hive,
        store: Store,
        run_id: str,
        together: Callable[[str], Sequence[str]] = lambda run_id: (run_id,),
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._together = together
        self._directory = hive.shadow_dir
        self._due = 0.0
        self._writing = asyncio.Lock()

    @property
    def file(self) -> Path:
        """`shadow_logs/emails.json`."""
        return self._directory / "emails.json"

    async def begin(self, previous_run_id: str | None) -> None:
        """Keep the former run's log under its own name and start this run's file."""
        if previous_run_id is not None and previous_run_id != self._run_id:
            kept = self._directory / previous_run_id / "emails.json"
            await asyncio.to_thread(self._write, previous_run_id, kept)
        await self.write()

    async def refresh(self) -> None:
        """Write the file if the last write was long enough ago; cheap otherwise."""
        if time.monotonic() < self._due or self._writing.locked():
            return
        await self.write()

    async def write(self) -> None:
        """Write the file now."""
        async with self._writing:
            started = time.monotonic()
            await asyncio.to_thread(self._write, self._run_id, self.file)
            took = time.monotonic() - started
            self._due = time.monotonic() + max(_MIN_PAUSE_S, _PAUSE_FACTOR * took)

    def _write(self, run_id: str, target: Path) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.{os.getpid()}")
        with scratch.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("[")
            separator = "\n"
            for one in self._together(run_id):
                for document in self._documents(one):
                    file.write(f"{separator}{document}")
                    separator = ",\n"
            file.write("\n]\n")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)

    def _documents(self, run_id: str) -> Iterator[str]:
        after = -1
        while True:
            statement = (
                select(shadow_emails.c.row, shadow_emails.c.document)
                .where(shadow_emails.c.run_id == run_id, shadow_emails.c.row > after)
                .order_by(shadow_emails.c.row)
                .limit(_BATCH)
            )
            with self._store.read() as conn:
                batch = conn.execute(statement).all()
            if not batch:
                return
            for row, document in batch:
                after = row
                yield document
