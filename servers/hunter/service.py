"""The hunter's behaviour. Owns: open imports, and running their work off the event loop.

A small number of imports stay open between pages, so that a page costs its rows and not the
file. A cursor that is not open here (after a restart) is reached by reading again from the
start, which gives the same pages. No MCP here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from guardrails.errors import BadInput
from servers.common.progress import report
from servers.hunter.contract import ImportLeads, LeadPage, ReadVisitor, Visitor
from servers.hunter.reader import Reader
from servers.hunter.rows import Rules
from servers.hunter.source import Cursor, Source, find_source
from servers.hunter.visitor import read_payload

_OPEN = 4  # imports kept open between pages
_SLICE = 5000  # rows read again in one go: about half a second
T = TypeVar("T")
_Key = tuple[tuple[str | int, ...], int]


class Hunter:
    """Imports lead files and reads visitors. Close it to close its files."""

    def __init__(self, rules: Rules, roots: Sequence[Path]) -> None:
        self._rules = rules
        self._roots = tuple(roots)
        self._open: OrderedDict[_Key, Reader] = OrderedDict()
        # Reading is work for the processor: a limiter of its own, so that it never takes the
        # threads that the protocol's streams need.
        self._limiter = anyio.CapacityLimiter(2)

    async def import_leads(self, args: ImportLeads) -> LeadPage:
        """One page of a file.

        Raises:
            BadInput: file, text or cursor cannot be used; the file changed since the cursor.
        """
        source = await self._off_loop(partial(find_source, args.path, args.csv_text, self._roots))
        cursor = Cursor.decode(args.cursor) if args.cursor is not None else None
        # Taken out while in use: a concurrent call for the same cursor opens its own reader.
        reader = self._open.pop((source.identity, cursor.rows), None) if cursor else None
        if reader is not None and cursor is not None and reader.digest != cursor.digest:
            reader.close()
            reader = None
        if reader is None:
            reader = await self._off_loop(partial(Reader, source, self._rules))
        try:
            if cursor is not None:
                await self._go_to(reader, cursor)
            page = await self._off_loop(partial(reader.page, args.limit))
        except BaseException:
            reader.close()  # no thread has it: a call that is given up waits for its thread
            raise
        self._keep(source, reader)
        return page

    async def read_visitor(self, args: ReadVisitor) -> Visitor:
        """An RB2B payload as a lead, or why it is none."""
        return read_payload(args.payload, self._rules)

    def close(self) -> None:
        """Close every open import."""
        while self._open:
            self._open.popitem()[1].close()

    async def _go_to(self, reader: Reader, cursor: Cursor) -> None:
        if reader.digest != cursor.digest:
            raise BadInput(
                "cursor: the file has changed since its first page",
                remedy="Start again without a cursor.",
            )
        while reader.rows < cursor.rows:
            await self._off_loop(partial(reader.skip, min(cursor.rows, reader.rows + _SLICE)))
            await report(reader.rows, cursor.rows, "rows read again to the cursor")

    def _keep(self, source: Source, reader: Reader) -> None:
        if reader.exhausted:
            reader.close()
            return
        key = (source.identity, reader.rows)
        if (former := self._open.pop(key, None)) is not None:
            former.close()
        self._open[key] = reader
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)
