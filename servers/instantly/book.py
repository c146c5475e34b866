"""The send ledger in this process. Owns: comparing a call's arguments with what its key stands for.

Refuses a key that stands for another recipient or content: whoever uses it twice by mistake would
otherwise be told that his write was done.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from guardrails.errors import Refused
from guardrails.identity import recipient_hash
from guardrails.ledger import End, Ledger, LedgerRefused, LedgerRow
from guardrails.store import Store
from servers.instantly.contract_writes import Write


class LedgerBook:
    """The port `Book` over the ledger."""

    def __init__(self, ledger: Ledger, store: Store, salt: bytes) -> None:
        self._ledger = ledger
        self._store = store
        self._salt = salt

    async def row(self, args: Write) -> LedgerRow | None:
        """See `Book`. Raises Refused, StoreUnavailable."""
        row = await self._ledger.recorded(args.key)
        if row is None:
            return None
        intent = args.intent()
        whom = recipient_hash(self._salt, intent.recipient)
        if row.identity != (intent.vendor, intent.action.value, whom, intent.content_hash):
            raise Refused(
                f"{args.key} stands for another write",
                remedy="Another recipient or content needs a key of its own.",
            )
        return row

    async def end(
        self, key: str, status: End, *, vendor_ref: str | None = None, note: str | None = None
    ) -> None:
        """See `Book`. Raises StoreUnavailable."""
        told = partial(self._ledger.end, key=key, status=status, vendor_ref=vendor_ref, note=note)
        with suppress(LedgerRefused):  # a write that nobody claimed has nothing to end
            await self._store.run(told)


class NoBook:
    """Where nothing may be written: in shadow mode, there is no ledger to keep."""

    async def row(self, args: Write) -> LedgerRow | None:
        """Refuses."""
        raise Refused(
            "shadow mode writes nothing outside", remedy="Shadow is for reading and deciding."
        )

    async def end(
        self, key: str, status: End, *, vendor_ref: str | None = None, note: str | None = None
    ) -> None:
        """There is nothing to end."""
