"""The layer that holds money before a paid call, and says after it what became of it (P10).

Owns: the reservation of a request and the judgement whether the vendor charged for it. It stands
above the retries, so that all attempts of one call share one entry; the brakes below write the
reservation in the transaction that lets the first attempt leave. Refuses to call a charge undone
unless it certainly is: what nobody can tell stays held until a person reconciles it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import httpx

from guardrails.brakes.desk import BrakesDamaged
from guardrails.brakes.spend import Reservation, Settlement
from guardrails.correlation import current
from guardrails.errors import (
    BadInput,
    BreakerOpen,
    ConfigError,
    RateLimited,
    Refused,
    SpendCapped,
    Stopped,
    StoreUnavailable,
    VendorError,
)
from servers.common.http_brakes import LEFT, RESERVATION
from servers.common.http_errors import NeverSent
from servers.common.http_lock import OPERATION
from servers.common.http_retry import NEVER_CONNECTED
from servers.common.operations import Effect, Operation

Outcome = Literal["charged", "not_charged", "unknown"]
# Raised by the brakes before a byte leaves, or for want of a connection.
_NOT_SENT = (
    BreakerOpen, RateLimited, SpendCapped, Stopped, StoreUnavailable, BrakesDamaged, ConfigError,
    BadInput, Refused, NeverSent, *NEVER_CONNECTED,
)  # fmt: skip
# Nobody's balance is touched: no account was recognised, none has credits, or there was no turn.
_NOBODY_PAYS = frozenset({401, 402, 403, 429})
# What else a vendor certainly bills nothing for. A Clay run that was refused was not started, and
# credits are spent by runs. RB2B documents no such thing: a look-up without a match (404) is an
# answer, so it counts as charged, and any other refusal stays unknown.
_NOT_BILLED: Mapping[str, frozenset[int]] = {"clay": frozenset({400, 404, 405})}
_BILLED: Mapping[str, frozenset[int]] = {"rb2b": frozenset({404})}


class SpendLayer(httpx.AsyncBaseTransport):
    """Reserves and settles paid reads; everything else passes untouched.

    Args:
        prices: micro-dollars by price name, of this vendor.
        settle: takes the settlement; returns at once and never raises.
        new_id: a fresh random entry id.

    Raises:
        ConfigError: the operation's price is not in the table; nothing was sent.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        vendor: str,
        prices: Mapping[str, int],
        settle: Callable[[Settlement], None],
        new_id: Callable[[], str] = lambda: f"S-{secrets.token_hex(8)}",
    ) -> None:
        self._inner = inner
        self._vendor = vendor
        self._prices = prices
        self._settle = settle
        self._new_id = new_id

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        operation: Operation = request.extensions[OPERATION]
        if operation.effect is not Effect.PAID_READ:
            return await self._inner.handle_async_request(request)
        require_prices(self._vendor, (operation,), self._prices)
        reservation = Reservation(
            self._new_id(),
            self._vendor,
            operation.name,
            self._prices[operation.price],
            current().lead_id,
        )
        request.extensions[RESERVATION] = reservation
        outcome: Outcome = "unknown"  # also when we are cancelled in flight
        try:
            response = await self._inner.handle_async_request(request)
            outcome = outcome_of(self._vendor, response.status_code)
        except Exception as error:
            outcome = charge_of(self._vendor, error)
            raise
        finally:
            # Given up while it waited for its turn. One that had left before was not charged
            # either: else it would not have been asked again.
            if request.extensions.get(LEFT) is False:
                outcome = "not_charged"
            self._settle(Settlement(reservation.entry_id, outcome))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def require_prices(vendor: str, operations: Iterable[Operation], prices: Mapping[str, int]) -> None:
    """Every paid operation names a price that the table has: none is free by omission.

    Raises:
        ConfigError: names the operation or the missing price.
    """
    for operation in operations:
        if operation.effect is not Effect.PAID_READ:
            continue
        if not operation.price:
            raise ConfigError(
                f"{vendor} {operation.name}: a paid operation names no price",
                remedy="Give the adapter's operation the name of its price.",
            )
        if operation.price not in prices:
            raise ConfigError(f"spend.prices_micros.{vendor}.{operation.price} is missing")


def outcome_of(vendor: str, status: int) -> Outcome:
    """Whether an answer with this status was charged for."""
    if 200 <= status < 300 or status in _BILLED.get(vendor, ()):
        return "charged"
    if status in _NOBODY_PAYS or status in _NOT_BILLED.get(vendor, ()):
        return "not_charged"
    return "unknown"


def charge_of(vendor: str, error: Exception) -> Outcome:
    """Whether a call that ended in `error`, the transport's or a `VendorError`, was charged for."""
    if isinstance(error, _NOT_SENT):
        return "not_charged"
    # An answer came, and only its body could not be used.
    status = error.status if isinstance(error, VendorError) else None
    return "unknown" if status is None else outcome_of(vendor, status)
