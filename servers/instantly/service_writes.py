"""How every write to Instantly is done. Owns: once for its key, and never `sent` before it shows.

A write that was done is answered from the ledger, without a request. One that may have been done
is looked for at the vendor and otherwise left alone (P3). A new one is done under its permit, by
the vendor stack, and then read back: that the vendor answered is not that it did it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from guardrails.errors import Refused, SwarmError, VendorError
from guardrails.ledger import LedgerRow, Status
from servers.instantly.contract_writes import Write, WriteResult
from servers.instantly.ports import Book, Platform

log = structlog.get_logger(__name__)
READ_BACK_S = (0.0, 0.5, 1.0, 2.0, 4.0)  # lists of the vendor may lag
_OPEN = (Status.UNKNOWN, Status.DISPATCHING)
# From the id that the vendor answered, if it did, to the id of what the vendor shows, if it does.
Seen = Callable[[str | None], Awaitable[str | None]]
Sleep = Callable[[float], Awaitable[None]]


class NotOurs(Refused):
    """The vendor shows something else in the place of what was to be written: it was not done."""


class Writer:
    """Does one write. Args: `sleep` waits between two looks at the vendor's lists."""

    def __init__(self, platform: Platform, book: Book, sleep: Sleep = asyncio.sleep) -> None:
        self._platform = platform
        self._book = book
        self._sleep = sleep

    async def row(self, args: Write) -> LedgerRow | None:
        """The write's row in the ledger. Raises Refused when its key stands for another write."""
        return await self._book.row(args)

    async def already(self, args: Write, vendor_ref: str | None, detail: str) -> WriteResult:
        """It is so at the vendor: the ledger hears of it if it did not know."""
        await self._book.end(args.key, "sent", vendor_ref=vendor_ref, note="found at the vendor")
        return WriteResult(status="already", vendor_ref=vendor_ref, detail=detail)

    async def refuse(self, args: Write, why: str, remedy: str) -> Refused:
        """The error for a write that was not begun; its place under the caps is free again."""
        await self._book.end(args.key, "pending", note=why)
        return Refused(why, remedy=remedy)

    async def perform(
        self, args: Write, seen: Seen, waits: tuple[float, ...] = READ_BACK_S
    ) -> WriteResult:
        """Write, then look for it.

        Args:
            seen: the vendor's id of what was written, once the vendor shows it.
            waits: seconds before each look.

        Raises:
            NotOurs: the vendor shows that it was not done.
            Refused, Stopped, StoreUnavailable: nothing was sent.
            VendorError: the vendor refused it, or was not asked.
        """
        trouble, made = "it was accepted, and the vendor does not show it yet", None
        try:
            made = await self._platform.write(args)
        except VendorError as error:
            row = await self._book.row(args)
            if row is None or row.status not in (*_OPEN, Status.SENT):
                raise
            trouble = error.message
        try:
            vendor_ref = await self._look(seen, made, waits)
        except NotOurs as error:
            await self._book.end(args.key, "failed", note=error.message)
            raise
        if vendor_ref is not None:
            await self._book.end(args.key, "sent", vendor_ref=vendor_ref, note="read back")
            return WriteResult(status="sent", vendor_ref=vendor_ref)
        await self._book.end(args.key, "unknown", note=trouble)
        return unknown(trouble)

    async def _look(self, seen: Seen, made: str | None, waits: tuple[float, ...]) -> str | None:
        for wait in waits:
            if wait:
                await self._sleep(wait)
            try:
                if (found := await seen(made)) is not None:
                    return found
            except NotOurs:
                raise
            except SwarmError as error:  # not being able to look is not having seen nothing
                log.warning("not_read_back", code=error.code)
        return None


def is_open(row: LedgerRow | None) -> bool:
    """Whether the write may have been done, and nobody knows."""
    return row is not None and row.status in _OPEN


def is_done(row: LedgerRow | None) -> bool:
    """Whether the write is recorded as done."""
    return row is not None and row.status is Status.SENT


def unknown(detail: str) -> WriteResult:
    """Nobody can tell; it must not be done again."""
    return WriteResult(status="unknown", vendor_ref=None, detail=detail)
