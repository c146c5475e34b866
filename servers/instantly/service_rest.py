"""The block list, and answering. Owns: that a block is made once, and whom an answer goes to."""

from __future__ import annotations

from servers.instantly.contract_writes import BlockAddress, ReplyEmail, WriteResult
from servers.instantly.ports import Platform
from servers.instantly.service_writes import Writer, is_done, is_open, unknown


class RestService:
    """Block, reply."""

    def __init__(self, platform: Platform, writer: Writer) -> None:
        self._platform = platform
        self._writer = writer

    async def block_address(self, args: BlockAddress) -> WriteResult:
        """Put it on the block list, unless it is on it."""
        await self._writer.row(args)
        if (entry := await self._platform.blocked(args.value)) is not None:
            return await self._writer.already(args, entry, "it is on the block list")
        return await self._writer.perform(args, lambda made: self._blocked(args.value, made))

    async def _blocked(self, value: str, made: str | None) -> str | None:
        """The entry; the vendor's own answer names it before its list does."""
        return made or await self._platform.blocked(value)

    async def reply_email(self, args: ReplyEmail) -> WriteResult:
        """Answer the e-mail, once.

        Raises:
            Refused: it is from somebody else than `to`, or came to another mailbox.
        """
        row = await self._writer.row(args)
        if row is not None and is_done(row):
            return WriteResult(
                status="already", vendor_ref=row.vendor_ref, detail="answered under this key before"
            )
        if is_open(row):
            return unknown("it may have been answered: look at the thread at Instantly")
        received = await self._platform.email(args.reply_to)
        if received.sender != args.to:
            why = "the e-mail is from somebody else than the one to be answered"
            raise await self._writer.refuse(args, why, "Read the thread again.")
        if received.mailbox != args.sender.casefold():
            why = "the e-mail came to another mailbox than the one to answer from"
            raise await self._writer.refuse(args, why, "Answer from the mailbox it came to.")
        return await self._writer.perform(args, lambda _: self._answered(args), waits=(0.0,))

    async def _answered(self, args: ReplyEmail) -> str | None:
        """The ledger's word: an answer that Instantly gave an id is sent."""
        row = await self._writer.row(args)
        return (row.vendor_ref or None) if row is not None and is_done(row) else None
