"""Brakes that let nobody through, for tests of what a source then says."""

from __future__ import annotations

import pytest

from guardrails.brakes.desk import CallEnd, Request
from guardrails.brakes.vendor_state import Granted
from guardrails.errors import BreakerOpen, RateLimited, SpendCapped, SwarmError, VendorError

_OF = {"vendor": "some", "operation": "call"}


class NoEntry:
    """A gatekeeper that answers every request with `error`."""

    def __init__(self, error: SwarmError) -> None:
        self.error = error
        self.told: list[CallEnd] = []

    async def admit(self, request: Request) -> Granted:
        raise self.error

    def tell(self, end: CallEnd) -> None:
        self.told.append(end)


@pytest.fixture(params=["capped", "breaker", "rate"])
def stopped(request: pytest.FixtureRequest) -> tuple[VendorError, str]:
    """What the brakes may say, and the step's status for it."""
    found: dict[str, tuple[VendorError, str]] = {
        "capped": (SpendCapped("the cap of clay leaves no room", **_OF), "capped"),
        "breaker": (BreakerOpen("the breaker is open", retry_after_s=60, **_OF), "paused"),
        "rate": (RateLimited("no slot", retry_after_s=1, **_OF), "paused"),
    }
    return found[request.param]
