"""Before a write tool asks the vendor anything. Owns: what the ledger and the permit say of a call.

The HTTP stack spends the permit against the request's own bytes; this looks at it earlier, so that
a call without leave reads nothing at the vendor either, and so that a write which has been done is
answered from the record. Refuses every state of the ledger's row that it has no word for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from guardrails.brakes.stop import StopState, StopSwitch
from guardrails.errors import FateUnknown, Refused, Stopped
from guardrails.identity import recipient_hash
from guardrails.ledger_rows import LedgerRow, Status
from guardrails.model import Mode, WriteIntent
from guardrails.permits import Bound
from servers.common.http_permit import WriteDesk
from servers.ghl.contract_form import Write, WriteResult

_ASK = "Ask guardrails for a permit (authorize_send, authorize_write); nothing was sent."
_AGAIN = "Ask guardrails for a new permit under the same key and call again: it may be repeated."
_LOOK = (
    "Call reconcile_send or reconcile_write, which read the vendor; what they cannot tell, a "
    "person resolves with `swarm sends unknown`. Do not do it again under another key."
)


@dataclass(frozen=True)
class Leave:
    """The permit holds and is unspent: this one write may be tried."""

    key: str
    permit_id: str


class Gate:
    """Ledger and permits of this process.

    Args:
        desk: None in shadow mode, where every write is refused.
        stop: a permit from before a stop is void.
    """

    def __init__(self, desk: WriteDesk | None, stop: StopSwitch, mode: Mode) -> None:
        self._held = desk
        self._stop = stop
        self._mode = mode

    @property
    def _desk(self) -> WriteDesk:
        if self._held is None or self._mode is Mode.SHADOW:
            raise Refused(
                "shadow mode writes nothing outside, and keeps no ledger of writes",
                remedy="A person raises the mode in config/production.json.",
            )
        return self._held

    async def open(self, write: Write) -> Leave | WriteResult:
        """Leave to try `write`, or the result that is on record.

        Raises:
            Refused: shadow mode, no such claim, no permit for exactly this, other content.
            FateUnknown: it may have happened.
            Stopped: the swarm is stopped, or was since the permit was made.
            StoreUnavailable: nobody can tell.
        """
        desk = self._desk
        row, stop = await desk.store.query(
            lambda conn: (desk.ledger.find(conn, write.key), self._stop.state_in(conn))
        )
        intent = write.intent()
        if row is not None:
            self.require_same(row, intent)
            if row.status is Status.SENT:
                return result_of(row)
        bound = Bound.to(intent, write.key, self._mode, desk.policy_version, desk.salt)
        permit = desk.check.verify(write.permit, bound)
        _require_current(stop, permit.stop_epoch)
        if row is None:
            raise Refused(f"no write was claimed under {write.key}", remedy=_ASK)
        _require_claimed(row)
        if row.permit_id != permit.jti:
            raise Refused(f"{write.key} is claimed for another permit", remedy=_ASK)
        return Leave(write.key, permit.jti)

    async def row(self, key: str) -> LedgerRow | None:
        """The ledger's row. Raises StoreUnavailable."""
        return await self._desk.ledger.recorded(key)

    async def release(self, leave: Leave, note: str, vendor_ref: str | None = None) -> None:
        """Nothing was sent: give back the claim, and what it held of the caps."""

        # Another call with the same permit may have dispatched it meanwhile, and its word alone
        # counts then: so we do not speak as the permit's owner.
        def give_back(conn: Connection) -> None:
            row = self._desk.ledger.find(conn, leave.key)
            if row is not None and row.permit_id == leave.permit_id:
                self._desk.ledger.end(conn, leave.key, "pending", vendor_ref=vendor_ref, note=note)

        await self._desk.store.run(give_back)

    async def settle(
        self, key: str, status: Literal["sent", "failed"], note: str, vendor_ref: str | None = None
    ) -> None:
        """The vendor shows what became of a write of unknown fate."""
        ledger = self._desk.ledger
        told = partial(ledger.end, key=key, status=status, vendor_ref=vendor_ref, note=note)
        await self._desk.store.run(told)

    def concerns(self, row: LedgerRow, recipient: str) -> bool:
        """Whether `row` is about this recipient."""
        return row.recipient_hash == recipient_hash(self._desk.salt, recipient)

    def require_same(self, row: LedgerRow, intent: WriteIntent) -> None:
        """Raises Refused when `row` stands for another write than `intent`."""
        hashed = recipient_hash(self._desk.salt, intent.recipient)
        if row.identity != (intent.vendor, intent.action.value, hashed, intent.content_hash):
            raise Refused(
                f"{row.key} stands for another write",
                remedy="Another recipient or content needs a key of its own.",
            )


def result_of(row: LedgerRow) -> WriteResult:
    """What a row that ended as sent answers."""
    before = bool(row.result and row.result.get("already"))
    return WriteResult(
        status="already" if before else "sent",
        vendor_ref=row.vendor_ref,
        detail=row.note or "on record",
    )


def _require_current(stop: StopState, epoch: int) -> None:
    if stop.stopped:
        raise Stopped(f"the swarm is stopped: {stop.reason}")
    if stop.epoch != epoch:
        raise Stopped("the swarm was stopped after this permit was made")


def _require_claimed(row: LedgerRow) -> None:
    if row.status is Status.CLAIMED:
        return
    if row.status in (Status.UNKNOWN, Status.DISPATCHING):
        if row.status is Status.UNKNOWN and row.repeatable:
            raise FateUnknown(f"{row.key} may have happened", remedy=_AGAIN)
        raise FateUnknown(f"{row.key} may have happened", remedy=_LOOK)
    why = f": {row.note}" if row.note else ""
    raise Refused(f"{row.key} is {row.status}{why}", remedy=_ASK)
