"""Two calls with one permit: what the later one gives back is never what the first one sent."""

from __future__ import annotations

import pytest

from guardrails.errors import Refused
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from servers.ghl.gate import Gate, Leave
from tests.conftest import SteppableClock
from tests.servers.permits import permit_office
from tests.servers.write_samples import ghl_samples

pytestmark = pytest.mark.anyio


async def test_a_call_that_gives_up_leaves_what_another_has_dispatched_alone(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    [sample] = [one for one in ghl_samples() if one.tool == "send_email"]
    with permit_office(hive, store, clock) as office:
        wanted = sample.wanted("send:1")
        [permit] = await office.permits([wanted])
        write = sample.args.model_validate(sample.arguments("send:1", permit))
        gate = Gate(office.desk(), office.stop, Mode.LIVE)
        leave = await gate.open(write)
        assert isinstance(leave, Leave)
        await office.check.verify_and_spend(
            permit,
            office.bound(wanted.intent, wanted.key),
            also=lambda conn, spent: office.ledger.dispatch(conn, wanted.key, spent),
        )
        await gate.release(leave, "its look-up failed")
        assert office.status("send:1") == "dispatching"
        with pytest.raises(Refused):
            await office.permits([wanted])


async def test_a_call_that_gives_up_gives_its_own_claim_back(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    [sample] = [one for one in ghl_samples() if one.tool == "send_email"]
    with permit_office(hive, store, clock) as office:
        [permit] = await office.permits([sample.wanted("send:1")])
        gate = Gate(office.desk(), office.stop, Mode.LIVE)
        write = sample.args.model_validate(sample.arguments("send:1", permit))
        leave = await gate.open(write)
        assert isinstance(leave, Leave)
        await gate.release(leave, "its look-up failed")
        assert office.status("send:1") == "pending"
