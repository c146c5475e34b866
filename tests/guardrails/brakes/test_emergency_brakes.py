"""The emergency's own processes ask vendors while everybody else may not, and only then."""

from __future__ import annotations

import pytest

from guardrails.brakes.desk import Request
from guardrails.brakes.emergency import EmergencyBrakes
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import Asked
from guardrails.errors import Refused, Stopped
from guardrails.hive import Hive
from guardrails.store import Store

pytestmark = pytest.mark.anyio


def request(kind: str) -> Request:
    return Request("instantly", "x", Asked(kind, 1, "t", 0.0))


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_in_a_stopped_swarm_they_read_and_hold(
    hive: Hive, sqlite_store: Store, kind: str
) -> None:
    hive.stop_file.touch()
    granted = await EmergencyBrakes(StopSwitch(hive, sqlite_store)).admit(request(kind))
    assert (granted.wait_s, granted.is_probe) == (0.0, False)


async def test_they_spend_nothing(hive: Hive, sqlite_store: Store) -> None:
    hive.stop_file.touch()
    with pytest.raises(Stopped):
        await EmergencyBrakes(StopSwitch(hive, sqlite_store)).admit(request("paid_read"))


@pytest.mark.parametrize("kind", ["read", "write", "paid_read"])
async def test_in_a_swarm_that_runs_they_do_nothing(
    hive: Hive, sqlite_store: Store, kind: str
) -> None:
    with pytest.raises(Refused):
        await EmergencyBrakes(StopSwitch(hive, sqlite_store)).admit(request(kind))
