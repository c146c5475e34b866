"""One write at a vendor, as the queen has it done. Owns: asking leave, and learning what became.

The order never changes: guardrails' leave (which claims the ledger's row), then the server's tool
under the permit, then the ledger's word. Whatever a server says or fails to say, the ledger tells
what happened; a row that was dispatched and not ended is unknown. Refuses to write without leave
and to try anything again whose fate is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection

from guardrails.authorize_model import Authorization
from guardrails.clock import Clock
from guardrails.errors import BadInput, LeadQuarantined, ServerUnavailable, SwarmError
from guardrails.ledger import Ledger, LedgerRow, Status
from guardrails.model import Frozen, Reason, WriteIntent
from guardrails.store import Store
from orchestrator.asking import CONCERNS_ALL
from orchestrator.mcp_session import ToolFailed
from servers.common.contract import ToolSpec
from servers.guardrails import contract as guardrails

_AGAIN_S = 60.0
_SHORTEST_S = 1.0
_NOT_LEFT = (Status.CLAIMED, Status.PENDING)
_FULL_SECONDS = timedelta(seconds=1)  # a permit's are counted from the last full one
_SHOWN = "the vendor shows it"
_DIED = "the server died, or gave up, while it was at it"
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


class Caller(Protocol):
    """Who calls the servers' tools: `children.Children`."""

    async def call(self, server: str, spec: ToolSpec[A, R], args: A) -> R: ...


class Outcome(StrEnum):
    """What became of a write."""

    DONE = "done"  # the vendor did it, now or before
    LATER = "later"  # certainly not done; may be tried at `not_before`
    REFUSED = "refused"  # certainly not done: a rule said no
    FAILED = "failed"  # certainly not done: the vendor said no
    UNKNOWN = "unknown"  # it may be done


class Fate(Frozen):
    """The outcome, with what the queen needs of it."""

    outcome: Outcome
    vendor_ref: str | None = None
    reasons: tuple[Reason, ...] = ()
    not_before: datetime | None = None


@dataclass(frozen=True)
class Whose:
    """For whom something is written, for the record."""

    lead_id: str
    run_id: str
    decision_audit_id: str


class Write(Protocol):
    """Arguments of a write tool, of either vendor."""

    @property
    def key(self) -> str: ...
    def intent(self) -> WriteIntent: ...


class Writer:
    """Has writes done, over the servers. A permit lives `permit_seconds`."""

    def __init__(
        self, children: Caller, ledger: Ledger, store: Store, clock: Clock, *, permit_seconds: int
    ) -> None:
        self._permit_life = timedelta(seconds=permit_seconds)
        self._children = children
        self._ledger = ledger
        self._store = store
        self._clock = clock

    async def write(self, server: str, spec: ToolSpec[Any, Any], args: Any, whose: Whose) -> Fate:
        """Have one write done that is not an e-mail; `args` without a permit yet.

        Raises:
            ToolFailed: nobody can write now (stop, database, audit).
        """
        asked = guardrails.AuthorizeWrite(
            key=args.key,
            intent=args.intent(),
            lead_id=whose.lead_id,
            run_id=whose.run_id,
            decision_audit_id=whose.decision_audit_id,
        )
        return await self._do(guardrails.AUTHORIZE_WRITE, asked, server, spec, args)

    async def send(
        self, asked: guardrails.AuthorizeSend, server: str, spec: ToolSpec[Any, Any], args: Any
    ) -> Fate:
        """Have an e-mail sent. Raises as `write`."""
        return await self._do(guardrails.AUTHORIZE_SEND, asked, server, spec, args)

    async def _do(
        self,
        ask: ToolSpec[Any, Authorization],
        asked: Any,
        server: str,
        spec: ToolSpec[Any, Any],
        args: Any,
    ) -> Fate:
        try:
            leave = await self._children.call(guardrails.SERVER, ask, asked)
        except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
            return await self._after(args.key, error)
        if leave.verdict != "permitted":
            return await self._not_permitted(leave, args.key)
        permitted = args.model_copy(update={"permit": leave.permit})
        try:
            result = await self._children.call(server, spec, permitted)
        except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
            return await self._after(args.key, error)
        if result.status == "unknown":
            return await self._after(args.key, None)
        return Fate(outcome=Outcome.DONE, vendor_ref=result.vendor_ref)

    async def recorded(self, key: str) -> LedgerRow | None:
        """The ledger's row."""
        return await self._ledger.recorded(key)

    async def settle_shown(self, keys: tuple[str, ...], vendor_ref: str | None) -> None:
        """The vendor shows what writes of unknown fate, whose keys begin so, were to do.

        Raises:
            StoreUnavailable: it is not on record, and may be said again.
        """

        def settle(conn: Connection) -> None:
            for row in self._ledger.unknown(conn):
                if row.key.startswith(keys):
                    self._ledger.end(conn, row.key, "sent", vendor_ref=vendor_ref, note=_SHOWN)

        await self._store.run(settle)

    async def _not_permitted(self, leave: Authorization, key: str) -> Fate:
        row = await self._ledger.recorded(key)
        if row is not None and row.status is not Status.PENDING and leave.verdict != "deferred":
            known = await self._by_row(row, leave.reasons)
            if known is not None:
                return known
        if leave.verdict == "deferred":
            until = leave.not_before or self._clock() + timedelta(seconds=_AGAIN_S)
            return Fate(outcome=Outcome.LATER, reasons=leave.reasons, not_before=until)
        return Fate(outcome=Outcome.REFUSED, reasons=leave.reasons)

    async def _after(self, key: str, error: SwarmError | None) -> Fate:
        """What a call that did not answer `sent` came to."""
        reasons = (_reason(error),) if error is not None else ()
        row = await self._ledger.recorded(key)
        known = await self._by_row(row, reasons) if row is not None else None
        if known is not None:
            return known
        if error is None:
            raise AssertionError(f"{key}: a server says unknown and the ledger knows of nothing")
        if error.as_failure().code == "refused" and not self._may_be_late(row):
            return Fate(outcome=Outcome.REFUSED, reasons=reasons)
        return later(error, self._clock())

    async def _by_row(self, row: LedgerRow, reasons: tuple[Reason, ...]) -> Fate | None:
        """What the ledger says; None when it says that nothing has happened yet."""
        if row.status in {Status.DISPATCHING, Status.UNKNOWN}:
            await self._mark_unknown(row)
            return Fate(outcome=Outcome.UNKNOWN, reasons=reasons or (_unknown(row),))
        return ended(row, reasons)

    async def _mark_unknown(self, row: LedgerRow) -> None:
        """Nobody waits for it any more. If it still ends well, the ledger takes that as well."""
        if row.status is Status.DISPATCHING:
            await self._store.run(
                lambda conn: self._ledger.end(
                    conn, row.key, "unknown", note=_DIED, permit_id=row.permit_id
                )
            )

    def _may_be_late(self, row: LedgerRow | None) -> bool:
        """Whether a permit for this claim could have expired: then it is no rule's refusal.

        Whoever found it expired may have given the claim back: GHL was slow, or had us wait.
        """
        if row is None or row.status not in _NOT_LEFT or row.claimed_at is None:
            return False
        return self._clock() - row.claimed_at >= self._permit_life - _FULL_SECONDS


def ended(row: LedgerRow, reasons: tuple[Reason, ...] = ()) -> Fate | None:
    """How the ledger says that it ended; None when it has not."""
    if row.status is Status.SENT:
        return Fate(outcome=Outcome.DONE, vendor_ref=row.vendor_ref)
    if row.status is Status.FAILED:
        said = Reason(code="vendor_refused", text=row.note or "The vendor refused it.")
        return Fate(outcome=Outcome.FAILED, reasons=(*reasons, said))
    return None


def later(error: SwarmError, now: datetime) -> Fate:
    """Certainly nothing was done, and it may be tried again.

    Raises:
        SwarmError: `error` itself, when it is not this lead's misfortune: nobody can be served now.
    """
    failure = error.as_failure()
    if failure.code in CONCERNS_ALL:
        raise error
    wait = max(_SHORTEST_S, failure.retry_after_s or _AGAIN_S)
    until = now + timedelta(seconds=wait)
    return Fate(outcome=Outcome.LATER, reasons=(_reason(error),), not_before=until)


def _reason(error: SwarmError) -> Reason:
    failure = error.as_failure()
    return Reason(code=failure.code, text=failure.message, remedy=failure.remedy)


def _unknown(row: LedgerRow) -> Reason:
    return Reason(
        code="fate_unknown",
        text=f"It may have gone out: {row.note or 'no answer came'}.",
        remedy="`swarm sends reconcile` asks the vendor; `swarm sends resolve` is a person's word.",
    )
