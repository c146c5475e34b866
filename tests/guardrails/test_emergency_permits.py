"""In a stopped swarm the emergency stop's own processes hold what runs; that is all there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guardrails.audit import AuditLog
from guardrails.authorize import Authorizer
from guardrails.authorize_model import Authorization
from guardrails.authorize_rules import RULES, Purpose, allowed_during_stop
from guardrails.brakes.stop_raise import raise_row
from guardrails.clock import iso
from guardrails.errors import BadInput, Refused, Stopped
from guardrails.hive import Hive
from guardrails.model import Mode, WriteAction, WriteIntent
from guardrails.permits import Bound, PermitCheck
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.decision_samples import new_bank
from tests.guardrails.authorize_samples import Desk, Write, in_mode
from tests.guardrails.test_authorize_write import intent

pytestmark = pytest.mark.anyio
HOLDS = sorted(action for action in RULES if allowed_during_stop(action))
OTHERS = sorted(action for action in RULES if not allowed_during_stop(action))
PAUSE = intent(WriteAction.PAUSE_CAMPAIGN)


@pytest.fixture
def desk(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Desk]:
    audit = AuditLog(hive, sqlite_store, clock)
    yield Desk(hive, sqlite_store, clock, audit, new_bank(hive, clock))
    audit.close()


def stop(desk: Desk) -> None:
    with desk.store.transaction() as conn:
        raise_row(conn, "fire drill", "person:ops", iso(desk.clock()))


def emergency(desk: Desk, mode: Mode = Mode.LIVE) -> Authorizer:
    """Guardrails as the emergency stop starts it."""
    return Authorizer(
        in_mode(mode), desk.hive, desk.store, desk.audit, desk.bank, desk.stop, desk.clock,
        desk.ledger, sender=None, approvers=desk.approvers, purpose=Purpose.EMERGENCY_STOP,
    )  # fmt: skip


async def leave(desk: Desk, wanted: WriteIntent, key: str = "stop:1") -> Authorization:
    return await emergency(desk).write(Write(key, wanted))


async def spent(desk: Desk, given: Authorization, wanted: WriteIntent, purpose: Purpose) -> Any:
    """The process that writes, of that purpose."""
    assert given.permit is not None
    bound = Bound.to(wanted, given.key, Mode.LIVE, desk.gate.policy_version, desk.hive.salt())
    check = PermitCheck(desk.hive, desk.store, desk.stop, desk.clock, "x", purpose)
    return await check.verify_and_spend(given.permit, bound)


@pytest.mark.parametrize("action", HOLDS)
async def test_what_only_holds_is_permitted_on_record_and_once(
    desk: Desk, action: WriteAction
) -> None:
    stop(desk)
    wanted = intent(action)
    given = await leave(desk, wanted)
    [record] = desk.records()
    assert record["body"]["permit"]["purpose"] == "emergency_stop"
    assert record["body"]["permit"]["stop_epoch"] == 1
    assert await spent(desk, given, wanted, Purpose.EMERGENCY_STOP)
    with pytest.raises(Refused, match="used"):
        await spent(desk, given, wanted, Purpose.EMERGENCY_STOP)


@pytest.mark.parametrize("action", OTHERS)
async def test_nothing_else_is(desk: Desk, action: WriteAction) -> None:
    stop(desk)
    with pytest.raises(Stopped, match="fire drill"):
        await leave(desk, intent(action))
    assert await desk.row("stop:1") is None
    assert desk.records() == []


@pytest.mark.parametrize("action", [one for one in WriteAction if one.is_email])
async def test_an_email_least_of_all(desk: Desk, action: WriteAction) -> None:
    stop(desk)
    wanted = WriteIntent(
        vendor="ghl", action=action, recipient="ana@firm.example", content={"n": 1}
    )
    with pytest.raises((Stopped, BadInput)):
        await leave(desk, wanted)
    assert desk.records() == []


async def test_the_swarms_own_processes_hold_nothing_either_while_it_is_stopped(
    desk: Desk,
) -> None:
    stop(desk)
    with pytest.raises(Stopped):
        await desk.write("pause:1", PAUSE)
    given = await leave(desk, PAUSE)
    with pytest.raises(Refused, match="purpose"):
        await spent(desk, given, PAUSE, Purpose.WORK)
    assert await spent(desk, given, PAUSE, Purpose.EMERGENCY_STOP)


async def test_there_is_no_emergency_leave_without_an_emergency(desk: Desk) -> None:
    with pytest.raises(Refused, match="not stopped"):
        await leave(desk, PAUSE)
    given = await desk.write("pause:1", PAUSE)
    with pytest.raises(Refused, match="purpose"):
        await spent(desk, given, PAUSE, Purpose.EMERGENCY_STOP)


async def test_leave_ends_with_the_emergency(desk: Desk) -> None:
    stop(desk)
    given = await leave(desk, PAUSE)
    with desk.store.transaction() as conn:
        conn.exec_driver_sql("UPDATE stop_state SET stopped = 0")
    with pytest.raises(Refused, match="not stopped"):
        await spent(desk, given, PAUSE, Purpose.EMERGENCY_STOP)


async def test_a_stop_that_only_the_file_knows_of_gives_the_same_leave(desk: Desk) -> None:
    desk.hive.stop_file.touch()
    given = await leave(desk, PAUSE)
    assert await spent(desk, given, PAUSE, Purpose.EMERGENCY_STOP)


async def test_without_a_readable_epoch_there_is_none(desk: Desk) -> None:
    with desk.store.transaction() as conn:
        conn.exec_driver_sql("DELETE FROM stop_state")
    with pytest.raises(Stopped, match="missing"):
        await leave(desk, PAUSE)


async def test_in_shadow_the_emergency_writes_nothing_either(desk: Desk) -> None:
    stop(desk)
    given = await emergency(desk, Mode.SHADOW).write(Write("stop:1", PAUSE))
    assert (given.verdict, given.permit) == ("refused", None)
