"""Trying the paid sources' keys without paying."""

from __future__ import annotations

from typing import Any, cast

import pytest

from guardrails.config import load_config
from guardrails.store import Store
from servers.common.contract_access import CheckAccess
from servers.enricher.facts import FactMaker
from servers.enricher.paid import PaidRuns
from servers.enricher.service import EnricherService
from servers.enricher.vendor_clay import OPERATIONS as CLAY_OPERATIONS
from servers.enricher.vendor_clay import Clay, routine_of
from servers.enricher.vendor_rb2b import OPERATIONS, Rb2b
from tests.conftest import SteppableClock
from tests.servers.wires import ScriptedWire, answer, client_over

pytestmark = pytest.mark.anyio
ME = {"user": {"id": "u", "name": None}, "workspace": {"id": "wsp_7"}}


def service(
    clay_wire: ScriptedWire, rb2b_wire: ScriptedWire | None, store: Store, clock: Any, routine: str
) -> EnricherService:
    facts = FactMaker(clock, {}, 30)
    client = client_over(clay_wire, CLAY_OPERATIONS, vendor="clay")
    config = load_config().production.vendors.clay
    runs = cast("PaidRuns", None)  # nothing is paid for here
    clay = Clay(client, routine_of(config, routine, 100_000), runs, facts)
    known = client_over(rb2b_wire, OPERATIONS, vendor="rb2b") if rb2b_wire else None
    nobody = cast("Any", None)
    return EnricherService(nobody, nobody, (clay, Rb2b(known, 20_000, facts)))


async def doors(service: EnricherService) -> dict[str, tuple[str, str]]:
    found = await service.check_access(CheckAccess())
    return {door.name: (door.status, door.seen) for door in found.doors}


async def test_whose_keys_they_are(sqlite_store: Store, clock: SteppableClock) -> None:
    clay, rb2b = ScriptedWire(answer(200, ME)), ScriptedWire(answer(200, {"credits_remaining": 7}))
    assert await doors(service(clay, rb2b, sqlite_store, clock, "rt_1")) == {
        "clay.key": ("ok", "workspace wsp_7"), "rb2b.key": ("ok", "7 credits left"),
    }  # fmt: skip


async def test_what_is_not_set_is_said_and_not_tried(
    sqlite_store: Store, clock: SteppableClock
) -> None:
    found = await doors(service(ScriptedWire(answer(200, ME)), None, sqlite_store, clock, ""))
    assert found["clay.use"] == ("not_set", "CLAY_ROUTINE_ID is not set")
    assert found["rb2b.key"] == ("not_set", "RB2B_API_KEY is not set")


async def test_a_refusal_and_an_answer_nobody_knows(
    sqlite_store: Store, clock: SteppableClock
) -> None:
    no, odd = (
        ScriptedWire(answer(401, {"message": "Invalid API key"})),
        ScriptedWire(answer(200, ["?"])),
    )
    found = await doors(service(no, odd, sqlite_store, clock, "rt_1"))
    assert (found["clay.key"][0], found["rb2b.key"][0]) == ("refused", "odd")
