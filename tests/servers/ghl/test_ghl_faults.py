"""Whatever fails, and whenever: each write is done at most once, and its fate is told true.

One hive and database for all faults of a write: making them costs more than the writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from guardrails.errors import FateUnknown, Refused, SwarmError, VendorRejected
from servers.ghl.contract_form import Write, WriteResult
from servers.ghl.contract_mail import ReconcileSend, ReconcileWrite, SendEmail
from tests.servers.ghl.wanted import (
    ONCE,
    REPEATABLE,
    email,
    made,
    membership,
    note,
    opportunity,
    task,
    upsert,
)
from tests.servers.ghl.writing import FAULTS, Studio

pytestmark = pytest.mark.anyio
NOT_DONE = {"timeout_before", "reset_before", "500_before"}  # unknown to us, and not done
CERTAINLY_NOT = {"429", "never_connected"}


async def attempt(studio: Studio, write: Write) -> WriteResult | SwarmError:
    try:
        return await studio.do(write)
    except SwarmError as error:
        return error


def fresh(studio: Studio, wanted: Callable[[Studio], Any], fault: str) -> Any:
    """The write under a key of its own, at a twin of its own, about to fail."""
    studio.app.twins["ghl"].reset()
    write = wanted(studio)
    studio.wire.faults = [fault] * 3  # as many as one call tries
    studio.wire.seen.clear()
    return write.model_copy(update={"key": f"{write.key}:{fault}"})


@pytest.mark.parametrize("wanted", REPEATABLE, ids=lambda f: f.__name__)
async def test_a_repeatable_write_ends_as_done_once(
    studio: Studio, wanted: Callable[[Studio], Write]
) -> None:
    for fault in FAULTS:
        write = fresh(studio, wanted, fault)
        first = await attempt(studio, write)
        if isinstance(first, WriteResult) and first.status == "sent":
            assert made(studio, write) == 1, fault  # told true
        studio.wire.faults.clear()
        again = await studio.do(write) if studio.office.status(write.key) != "sent" else first
        assert isinstance(again, WriteResult), fault
        assert again.status in ("sent", "already"), fault
        assert made(studio, write) == 1, fault


@pytest.mark.parametrize("wanted", ONCE, ids=lambda f: f.__name__)
async def test_a_write_that_doubles_at_the_vendor_is_there_at_most_once(
    studio: Studio, wanted: Callable[[Studio], Write]
) -> None:
    for fault in FAULTS:
        write = fresh(studio, wanted, fault)
        first = await attempt(studio, write)
        status = studio.office.status(write.key)
        if fault in CERTAINLY_NOT:
            assert isinstance(first, SwarmError), fault
            assert (status, made(studio, write)) == ("pending", 0), fault
            studio.wire.faults.clear()
            assert (await studio.do(write)).status == "sent", fault
        else:
            assert isinstance(first, WriteResult), fault
            hidden = fault in NOT_DONE or wanted is membership
            assert (first.status, status) == (("unknown",) if hidden else ("sent",)) * 2, fault
            assert hidden or first.vendor_ref is not None, fault
        studio.wire.faults.clear()
        left = len(studio.wire.written)
        again = await attempt(studio, write)  # on record, or guardrails mints no second permit
        told = again.status if isinstance(again, WriteResult) else again.code
        assert told == ("refused" if studio.office.status(write.key) == "unknown" else "sent")
        assert len(studio.wire.written) == left, fault
        assert made(studio, write) == (0 if fault in NOT_DONE else 1), fault


@pytest.mark.parametrize("wanted", [note, task, opportunity], ids=lambda f: f.__name__)
@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before"])
async def test_what_could_not_be_read_at_once_is_reconciled_later(
    studio: Studio, wanted: Callable[[Studio], Any], fault: str
) -> None:
    write = wanted(studio)
    studio.wire.faults, studio.wire.goes_blind = [fault], True
    assert (await studio.do(write)).status == "unknown"
    studio.wire.blind = False
    asked = ReconcileWrite(
        key=write.key,
        action=write.intent().action.value,
        contact_id=write.contact_id,
        pipeline_id=getattr(write, "pipeline_id", None),
    )
    found = await studio.tools.mail.reconcile_write(asked)
    if fault == "timeout_after":
        assert (found.verdict, studio.office.status(write.key)) == ("done", "sent")
        assert found.vendor_ref is not None
        assert (await studio.call(write)).status == "sent"  # on record: no permit needed any more
    else:
        assert found.verdict == "inconclusive"  # too early to say
        studio.clock.step(timedelta(minutes=16).total_seconds())
        late = await studio.tools.mail.reconcile_write(asked)
        assert (late.verdict, studio.office.status(write.key)) == ("not_done", "unknown")
    assert len(studio.wire.written) == 1


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before"])
async def test_an_email_of_unknown_fate_is_looked_for_in_the_conversation(
    studio: Studio, fault: str
) -> None:
    write = email(studio)
    assert isinstance(write, SendEmail)
    studio.wire.faults, studio.wire.goes_blind = [fault], True
    assert (await studio.do(write)).status == "unknown"
    studio.wire.blind = False
    asked = ReconcileSend(**write.model_dump(exclude={"permit"}))
    found = await studio.tools.mail.reconcile_send(asked)
    if fault == "timeout_after":
        assert (found.verdict, studio.office.status(write.key)) == ("done", "sent")
        assert found.vendor_ref == studio.records.messages[0]["id"]
    else:
        assert found.verdict == "inconclusive"
        studio.clock.step(timedelta(minutes=16).total_seconds())
        assert (await studio.tools.mail.reconcile_send(asked)).verdict == "not_done"
    assert len(studio.records.messages) == int(fault == "timeout_after")


async def test_two_calls_at_once_with_one_key_write_once(studio: Studio) -> None:
    write = await studio.permitted(note(studio))
    results = await asyncio.gather(studio.call(write), studio.call(write), return_exceptions=True)
    assert len(studio.records.notes) == 1
    assert sum(isinstance(result, WriteResult) for result in results) >= 1
    for result in results:
        assert isinstance(result, WriteResult | Refused | FateUnknown)


async def test_the_same_key_with_other_content_is_refused(studio: Studio) -> None:
    first = note(studio)
    await studio.do(first)
    other = first.model_copy(update={"text": "Something else."})
    with pytest.raises(Refused, match="another write"):
        await studio.call(other)
    assert len(studio.records.notes) == 1


async def test_a_422_of_which_nothing_came_is_a_refusal_and_not_a_doubt(studio: Studio) -> None:
    write = upsert(studio)
    studio.wire.faults = ["says_422"]
    with pytest.raises(VendorRejected):
        await studio.do(write)
    assert (studio.office.status(write.key), made(studio, write)) == ("failed", 0)
    assert (await studio.do(write)).status == "sent"  # what was wrong has been mended
    assert made(studio, write) == 1
    doubtful = note(studio)  # a note could be there twice: it stays in doubt
    studio.wire.faults = ["says_422"]
    assert (await studio.do(doubtful)).status == "unknown"
