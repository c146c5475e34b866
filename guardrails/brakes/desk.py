"""One transaction of the brakes. Owns: the statements, and the order in which things are asked.

Stop first, then breaker, retry budget and rate (`vendor_state`), money last: it is reserved only
when nothing else stands against the call. Refuses a vendor whose state is missing or damaged.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, bindparam, select, update

from guardrails.batching import Outcome
from guardrails.brakes.breaker import Change
from guardrails.brakes.chaos import ChaosEvent
from guardrails.brakes.failure_rows import FailureRow
from guardrails.brakes.spend import Reservation, Settlement, SpendBook
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import Asked, Ended, Granted, Turned, VendorRules, VendorState
from guardrails.clock import Clock, iso, parse
from guardrails.errors import BreakerOpen, RateLimited, Stopped, SwarmError
from guardrails.store.brake_tables import breaker_events, vendor_brakes
from guardrails.store.tables import stop_state

log = structlog.get_logger(__name__)
_SET_BACK_S = 60.0  # no two machines' clocks may differ as much: ours has been set back
# Stop state and vendor state in one statement: built once, since building costs more than running.
_STATE = (
    select(
        vendor_brakes.c.document,
        vendor_brakes.c.updated_at,
        stop_state.c.epoch,
        stop_state.c.stopped,
        stop_state.c.reason,
    )
    .select_from(vendor_brakes)
    .join(stop_state, stop_state.c.id == 1)
    .where(vendor_brakes.c.vendor == bindparam("named"))
    .with_for_update(of=vendor_brakes)
)
_SAVE = (
    update(vendor_brakes)
    .where(vendor_brakes.c.vendor == bindparam("named"))
    .values(document=bindparam("new_document"), updated_at=bindparam("now"))
)


class BrakesDamaged(SwarmError):
    """A vendor's shared state is missing or unreadable: nobody may call it (P6)."""

    code = "brakes_damaged"


class RetryBudgetSpent(SwarmError):
    """Retries at this vendor have used up their share of the traffic; the first answer stands."""

    code = "retry_budget"


@dataclass(frozen=True)
class Request:
    """One attempt of one operation that wants to leave."""

    vendor: str
    operation: str
    asked: Asked
    reservation: Reservation | None = None


@dataclass(frozen=True)
class CallEnd:
    """What is to be written about a call that ended."""

    vendor: str
    ended: Ended | None = None
    settlement: Settlement | None = None
    failure: FailureRow | None = None
    chaos: ChaosEvent | None = None

    @property
    def urgent(self) -> bool:
        """Whether other processes must know at once: a failure, a probe's answer, a pause."""
        ended = self.ended
        return self.failure is not None or (
            ended is not None
            and (ended.outcome == "failure" or ended.token is not None or ended.pause_s is not None)
        )


class Desk:
    """The vendors' states as they are handled within one transaction."""

    def __init__(
        self,
        conn: Connection,
        rules: Mapping[str, VendorRules],
        switch: StopSwitch,
        spend: SpendBook,
        clock: Clock,
    ) -> None:
        self._conn = conn
        self._rules = rules
        self._switch = switch
        self._spend = spend
        self._at = clock()
        self._now = self._at.timestamp()
        self._states: dict[str, VendorState] = {}
        self._unusable: dict[str, str] = {}
        self._stop: Stopped | None = None

    def load(self, vendors: Iterable[str]) -> None:
        """Read the states, each row locked: always in one order and before the money's lock, so
        that no two processes wait for each other.
        """
        for vendor in sorted(set(vendors)):
            self._load(vendor)

    def answer(self, request: Request) -> Outcome[Granted | None]:
        """Grant, or the error that says why not."""
        try:
            return Outcome(self._answer(request))
        except SwarmError as error:
            return Outcome(error=error)

    def end(self, end: CallEnd) -> None:
        """How a call ended."""
        if end.settlement is not None:
            self._spend.settle(self._conn, end.settlement)
        if end.ended is not None and end.vendor in self._states:
            change = self._state(end.vendor).end(self._rules[end.vendor], self._now, end.ended)
            self._note(end.vendor, end.ended.operation_class, change)

    def save(self) -> None:
        """Write the states back."""
        for vendor, state in self._states.items():
            document = {"named": vendor, "new_document": state.dump(), "now": iso(self._at)}
            self._conn.execute(_SAVE, document)

    def _answer(self, request: Request) -> Granted:
        if self._stop is not None:
            raise self._stop
        state = self._state(request.vendor)
        if request.reservation is not None and not request.asked.holds_slot:
            return self._paid(state, request, request.reservation)
        return self._granted(state, request)

    def _paid(self, state: VendorState, request: Request, reservation: Reservation) -> Granted:
        """Money is reserved last, when nothing else stands against the call; both or neither."""
        before = state.dump()
        with self._conn.begin_nested() as savepoint:
            try:
                granted = self._granted(state, request)
                self._spend.reserve(self._conn, reservation)
            except SwarmError:
                savepoint.rollback()
                self._states[request.vendor] = VendorState.parse(before)
                raise
        return granted

    def _granted(self, state: VendorState, request: Request) -> Granted:
        answer, change = state.ask(self._rules[request.vendor], self._now, request.asked)
        self._note(request.vendor, request.asked.operation_class, change)
        if isinstance(answer, Turned):
            raise _refusal(request, answer)
        return answer

    def _state(self, vendor: str) -> VendorState:
        state = self._states.get(vendor)
        if state is None:
            raise _damaged(vendor, self._unusable.get(vendor, "not loaded"))
        return state

    def _load(self, vendor: str) -> None:
        row = self._conn.execute(_STATE, {"named": vendor}).first()
        if row is None:
            self._unusable[vendor] = "missing from the database"
            return
        stop = self._switch.judged(stopped=bool(row.stopped), reason=row.reason, epoch=row.epoch)
        if stop.stopped:
            self._stop = Stopped(f"the swarm is stopped: {stop.reason}")
        try:
            self._states[vendor] = self._of_now(row.document, row.updated_at)
        except ValueError as error:
            self._unusable[vendor] = f"damaged ({error})"

    def _of_now(self, document: str, updated_at: str) -> VendorState:
        """The state, its times by the clock as it goes now: a pause of a minute stays one."""
        state = VendorState.parse(document)
        ahead = parse(updated_at).timestamp() - self._now if updated_at else 0.0
        if ahead > _SET_BACK_S:
            state.set_back(ahead)
        return state

    def _note(self, vendor: str, operation_class: str, change: Change | None) -> None:
        if change is None:
            return
        log.warning("breaker", vendor=vendor, state=change.state, reason=change.reason)
        event = {
            "event_id": f"B-{time.time_ns():x}-{secrets.token_hex(4)}",
            "at": iso(self._at),
            "vendor": vendor,
            "operation_class": operation_class,
            "state": change.state,
            "reason": change.reason[:300],
        }
        self._conn.execute(breaker_events.insert(), event)


def _damaged(vendor: str, how: str) -> BrakesDamaged:
    remedy = f"Run `swarm brakes reset {vendor}`; until then nothing is asked of {vendor}."
    return BrakesDamaged(f"the brakes of {vendor} are {how}", remedy=remedy)


def _refusal(request: Request, turned: Turned) -> SwarmError:
    named = f"{request.vendor} {request.operation}"
    seconds = turned.retry_after_s
    if turned.why == "retry_budget":
        return RetryBudgetSpent(f"{named}: retries have used up their share of the traffic")
    if turned.why == "breaker_open":
        text = f"{named}: the breaker is open for another {seconds:.0f} s; nothing was sent"
        kind: Callable[..., SwarmError] = BreakerOpen
    else:
        text = f"{named}: no slot under the vendor's limit for {seconds:.1f} s; nothing was sent"
        kind = RateLimited
    return kind(text, vendor=request.vendor, operation=request.operation, retry_after_s=seconds)
