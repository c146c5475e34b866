"""Any client may call the write tools directly; without a permit not one request leaves (P1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from guardrails.errors import FateUnknown, Refused, Stopped, SwarmError
from guardrails.hive import Hive
from guardrails.model import Mode, WriteAction
from guardrails.store import Store
from guardrails.store.tables import stop_state
from servers.ghl.contract_form import Write
from tests.conftest import SteppableClock
from tests.servers.ghl import wanted as each
from tests.servers.ghl.writing import Studio, studio_over
from tests.servers.permits import PermitOffice

pytestmark = pytest.mark.anyio
ALL: tuple[Callable[[Studio], Write], ...] = (*each.REPEATABLE, *each.ONCE)


async def forgeries(office: PermitOffice, write: Any) -> dict[str, str]:
    """Permits that are none, or for something else."""
    intent = write.intent()
    good = await office.permit(intent, f"{write.key}:edited")
    elsewhere = intent.model_copy(update={"recipient": "contact:somebody-else"})
    said = intent.model_copy(update={"content": {"text": "something else"}})
    other = next(a for a in WriteAction if a is not intent.action and not a.is_email)
    return {
        "none": "",
        "garbage": "x.y.z",
        "edited": good[:-8] + ("A" * 8 if good[-8:] != "A" * 8 else "B" * 8),
        "other key": await office.permit(intent, f"{write.key}:other"),
        "other recipient": await office.permit(elsewhere, f"{write.key}:r"),
        "other content": await office.permit(said, f"{write.key}:c"),
        "other action": await office.permit(
            intent.model_copy(update={"action": other}), f"{write.key}:a"
        ),
    }


@pytest.mark.parametrize("wanted", ALL, ids=lambda f: f.__name__)
async def test_no_call_without_leave_reaches_the_vendor(
    studio: Studio, wanted: Callable[[Studio], Any]
) -> None:
    write = wanted(studio)
    good = await studio.office.permit(write.intent(), write.key)
    for name, token in (await forgeries(studio.office, write)).items():
        with pytest.raises(Refused):
            await studio.call(write.model_copy(update={"permit": token}))
        assert studio.wire.seen == [], name
    studio.clock.step(31)
    with pytest.raises(Refused, match="expired"):
        await studio.call(write.model_copy(update={"permit": good}))
    fresh = await studio.permitted(write)
    with studio.office.store.transaction() as conn:  # stopped, and lifted again
        conn.execute(update(stop_state).values(epoch=stop_state.c.epoch + 1))
    with pytest.raises(Stopped):
        await studio.call(fresh)
    assert studio.wire.seen == []


async def test_a_permit_used_up_writes_nothing_more(studio: Studio) -> None:
    write = await studio.permitted(each.note(studio))
    assert (await studio.call(write)).status == "sent"
    left = len(studio.wire.seen)
    assert (await studio.call(write)).status == "sent"  # from the record
    replayed = write.model_copy(update={"key": "note:another"})
    with pytest.raises(Refused):
        await studio.call(replayed)
    assert len(studio.wire.seen) == left
    assert len(studio.records.notes) == 1


async def test_a_write_in_doubt_is_not_tried_again_with_its_old_permit(studio: Studio) -> None:
    write = await studio.permitted(each.note(studio))
    studio.wire.faults = ["timeout_before"]
    assert (await studio.call(write)).status == "unknown"
    left = len(studio.wire.seen)
    with pytest.raises(SwarmError) as told:
        await studio.call(write)
    assert isinstance(told.value, FateUnknown)
    assert "reconcile" in told.value.remedy
    assert len(studio.wire.seen) == left


async def test_shadow_refuses_every_write_before_it_reads(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    with studio_over(hive, sqlite_store, clock, Mode.SHADOW) as studio:
        for wanted in ALL:
            with pytest.raises(Refused, match="shadow"):
                await studio.call(wanted(studio))
        assert studio.wire.seen == []
