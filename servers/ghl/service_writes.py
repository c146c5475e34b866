"""How a write is done, whichever it is. Owns: the order of its steps, and what an error means.

    leave (ledger, permit) -> what has to be so (read) -> the request -> what became of it

Refuses to do anything twice: what is on record is answered from there, what is so already is not
written, and after an answer that did not come the vendor is read before anything is said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from guardrails.errors import FateUnknown, StoreUnavailable, SwarmError, VendorError, VendorRejected
from guardrails.ledger_rows import LedgerRow, Status
from servers.ghl.contract_form import Write, WriteResult
from servers.ghl.crm import CrmWriting
from servers.ghl.gate import Leave, result_of

log = structlog.get_logger(__name__)
_CERTAIN = frozenset({Status.PENDING, Status.CLAIMED, Status.FAILED})
_SHOWN = "the answer did not come, the vendor shows that it was done"
_ASK_AGAIN = "It may be repeated: get a new permit under the same key and call again."
_RECONCILE = "Do not do it again: call reconcile_send or reconcile_write with the same key."
_PERSON = "GHL does not show it: look in the CRM, then `swarm sends resolve`."


class Doorkeeper(Protocol):
    """What we need of `gate.Gate`."""

    async def open(self, write: Write) -> Leave | WriteResult:
        """Leave to try it, or what is on record."""

    async def row(self, key: str) -> LedgerRow | None:
        """The ledger's row."""

    async def release(self, leave: Leave, note: str, vendor_ref: str | None = None) -> None:
        """Nothing was sent."""

    async def settle(
        self, key: str, status: Literal["sent", "failed"], note: str, vendor_ref: str | None = None
    ) -> None:
        """An unknown fate is known."""


async def _nothing() -> str | None:
    return None


@dataclass(frozen=True)
class Steps:
    """What is particular to one write.

    Args:
        before: what has to be so; raises when it is not. Answers the vendor's id when the write
            is not needed, because everything is so already.
        shown: the vendor's id if the vendor shows that it was done, else None.
        ref: the vendor's id where the answer does not give one.
        visible: whether the vendor shows it at all.
    """

    before: Callable[[], Awaitable[str | None]] = _nothing
    shown: Callable[[], Awaitable[str | None]] = _nothing
    ref: str | None = None
    visible: bool = True


class Writer:
    """Does writes, each once."""

    def __init__(self, crm: CrmWriting, gate: Doorkeeper) -> None:
        self._crm = crm
        self._gate = gate

    async def do(self, write: Write, steps: Steps) -> WriteResult:
        """The result of `write`.

        Raises:
            Refused, Stopped, FateUnknown, BadInput: nothing was sent by this call.
            VendorError, StoreUnavailable: certainly nothing was done, or nobody can tell; the
                ledger says which.
        """
        leave = await self._gate.open(write)
        if isinstance(leave, WriteResult):
            return leave
        try:
            existing = await steps.before()
        except SwarmError as error:
            await self._gate.release(leave, f"not sent: {error.code}")
            raise
        if existing is not None:
            note = "it was so already"
            await self._gate.release(leave, note, existing)
            return WriteResult(status="already", vendor_ref=existing, detail=note)
        try:
            ref = await self._crm.write(write)
        except SwarmError as error:
            return await self._fate(leave, write, steps, error)
        return WriteResult(status="sent", vendor_ref=ref or steps.ref)

    async def _fate(
        self, leave: Leave, write: Write, steps: Steps, error: SwarmError
    ) -> WriteResult:
        """What became of it, after an error: from the record, else from the vendor."""
        row = await self._row(write, error)
        if row is not None and row.status is Status.CLAIMED:  # refused at the last door
            await self._gate.release(leave, f"not sent: {error.code}")
        if row is None or row.status in _CERTAIN:
            raise error
        if row.status is Status.SENT:
            return result_of(row)
        looked, ref = await self._shown(steps)
        if ref is not None:
            await self._gate.settle(write.key, "sent", _SHOWN, ref)
            return WriteResult(status="sent", vendor_ref=ref, detail=_SHOWN)
        if looked and row.repeatable and isinstance(error, VendorRejected):
            # A 422, and the vendor shows that nothing came of it. Were that a late index, trying
            # again would do no harm; an e-mail or a note stays in doubt.
            await self._gate.settle(write.key, "failed", error.message)
            raise error
        next_step = _ASK_AGAIN if row.repeatable else _RECONCILE if steps.visible else _PERSON
        log.warning("fate_unknown", key=write.key, action=row.action.value, code=error.code)
        return WriteResult(status="unknown", detail=f"{error.message}. {next_step}")

    async def _row(self, write: Write, error: SwarmError) -> LedgerRow | None:
        try:
            return await self._gate.row(write.key)
        except StoreUnavailable as trouble:
            raise FateUnknown(
                f"{write.key} may have happened ({error.message}), and the ledger cannot be read"
            ) from trouble

    async def _shown(self, steps: Steps) -> tuple[bool, str | None]:
        """Whether the vendor could be looked at, and what it shows."""
        if not steps.visible:
            return False, None
        try:
            return True, await steps.shown()
        except VendorError as trouble:
            log.info("not_reconciled", code=trouble.code)
            return False, None
