"""P5: no permit outlives a stop, and in a stopped swarm one does nothing but hold."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from guardrails.authorize_rules import Purpose, allowed_during_stop
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_raise import lift, raise_row
from guardrails.clock import iso
from guardrails.errors import Refused, Stopped, VendorError
from guardrails.hive import Hive
from guardrails.keys import signing_key
from guardrails.model import Mode
from guardrails.permits import PermitCheck
from guardrails.store import Store
from servers.common.http_permit import WriteDesk
from servers.common.operations import Operation
from servers.ghl.vendor_writes import OPERATIONS as GHL
from servers.ghl.vendor_writes import GhlWriting
from servers.instantly.vendor_operations import OPERATIONS as INSTANTLY
from servers.instantly.vendor_writes import InstantlyPlatform
from tests.conftest import SteppableClock
from tests.servers.attacks import Sample
from tests.servers.permits import claims_of, permit_office
from tests.servers.scripted_writes import INTENT
from tests.servers.wires import ScriptedWire, answer, client_over, safety_with
from tests.servers.write_samples import ghl_samples, instantly_samples

SAMPLES = [
    *(("ghl", sample) for sample in ghl_samples()),
    *(("instantly", sample) for sample in instantly_samples()),
]


@pytest.mark.anyio
async def test_what_was_permitted_before_a_stop_is_void_for_good(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    with permit_office(hive, store, clock) as office:
        token, bound = await office.permit(INTENT, "send:1"), office.bound(INTENT, "send:1")
        with store.transaction() as conn:
            raise_row(conn, "drill", "person:ops", iso(clock()))
        with pytest.raises(Stopped):
            await office.check.verify_and_spend(token, bound)
        await lift(hive, store, office.log, clock, reason="over", actor="person:ops")
        with pytest.raises(Stopped, match="after this permit"):
            await office.check.verify_and_spend(token, bound)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("vendor", "sample"), SAMPLES, ids=lambda value: getattr(value, "tool", value)
)
async def test_even_a_permit_that_guardrails_signed_for_the_emergency_does_nothing_but_hold(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, vendor: str, sample: Sample
) -> None:
    """As if the mint had a defect: it is looked at again where it is spent."""
    with permit_office(hive, sqlite_store, clock) as office:
        [good] = await office.permits([sample.wanted("stop:1")])
        claims = claims_of(good) | {"purpose": "emergency_stop", "stop_epoch": 1}
        key = signing_key(hive.keys_dir)
        forged = jwt.encode(claims, key, "EdDSA", headers={"typ": "permit+jwt"})
        check = PermitCheck(hive, sqlite_store, office.stop, clock, "x", Purpose.EMERGENCY_STOP)
        wire = ScriptedWire(answer(200, {"id": "x", "status": 2}))
        writing = adapter(vendor, wire, replace(office.desk(), check=check))
        args = sample.args.model_validate(sample.arguments("stop:1", forged))
        with pytest.raises((Refused, Stopped)):
            await writing.write(args)  # there is no emergency yet
        with sqlite_store.transaction() as conn:
            raise_row(conn, "drill", "person:ops", iso(clock()))
        with contextlib.suppress(VendorError, Stopped):
            await writing.write(args)
        holds = allowed_during_stop(claims["action"])
        assert len(wire.seen) == (1 if holds else 0)
        plain = adapter(vendor, wire, office.desk())
        with pytest.raises((Refused, Stopped)):
            await plain.write(args)  # the swarm's own processes do not take it at all
        assert len(wire.seen) == (1 if holds else 0)


def adapter(vendor: str, wire: ScriptedWire, desk: WriteDesk) -> Any:
    """What has the method `write`, over the whole stack."""
    operations: tuple[Operation, ...] = GHL if vendor == "ghl" else INSTANTLY
    safety = safety_with(writes=desk)
    client = client_over(wire, operations, mode=Mode.LIVE, vendor=vendor, safety=safety)
    if vendor == "ghl":
        return GhlWriting(client, "loc-1", "2021-07-28", "2021-04-15")
    return InstantlyPlatform(client)


def test_the_row_stops_a_machine_that_has_no_file(
    hive: Hive, store: Store, clock: SteppableClock, tmp_path: Path
) -> None:
    other = Hive.open(tmp_path / "another-machine", sandbox=True)
    with store.transaction() as conn:
        raise_row(conn, "drill", "person:ops", iso(clock()))
    with pytest.raises(Stopped, match="drill"):
        StopSwitch(other, store).require_running()
