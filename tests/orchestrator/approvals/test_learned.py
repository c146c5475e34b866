"""A yes teaches once, and only when its e-mail is out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from guardrails.approval_model import Approval
from guardrails.audit import AuditLog
from guardrails.clock import iso
from guardrails.errors import AuditBroken
from guardrails.hive import Hive
from guardrails.lesson_folding import fold_pending
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.approvals.learned import LearnedYes
from orchestrator.deliveries import Deliveries, DeliveryState, Ended, queue
from tests.conftest import SteppableClock
from tests.decision_samples import new_bank
from tests.guardrails.approval_samples import Assisted, Waiting
from tests.guardrails.authorize_samples import in_mode

pytestmark = pytest.mark.anyio


@pytest.fixture
def here(hive: Hive, store: Store, clock: SteppableClock) -> Iterator[Waiting]:
    audit = AuditLog(hive, store, clock)
    config = in_mode(Mode.ASSISTED)
    yield Waiting(Assisted(hive, store, clock, audit, new_bank(hive, clock), config))
    audit.close()


async def approved(here: Waiting, run: str = "run-1") -> Approval:
    asked = await here.asked(await here.desk.decided(run_id=run))
    answer = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert answer.approval is not None
    at = iso(here.desk.clock())
    await here.desk.store.run(
        lambda conn: queue(conn, asked.decision_audit_id, asked.lead_id, "run-1", 1, at)
    )
    return answer.approval


async def lessons(here: Waiting) -> list[dict[str, object]]:
    query = text("SELECT document FROM lessons")
    found = await here.desk.store.query(lambda conn: list(conn.execute(query).scalars()))
    return [json.loads(document) for document in found]


async def test_a_yes_whose_email_is_out_counts_for_its_pattern_once(here: Waiting) -> None:
    desk = here.desk
    learned = LearnedYes(desk.store, desk.audit, desk.clock)
    approval = await approved(here)
    assert await learned.run() == 0  # it is not out yet
    deliveries = Deliveries(desk.store, desk.clock)
    await deliveries.end(approval.decision_audit_id, Ended(DeliveryState.SENT))
    assert [await learned.run(), await learned.run()] == [1, 0]
    (lesson,) = await lessons(here)
    assert (lesson["outcome"], lesson["trust"], lesson["actor"]) == (
        "approval_sent", "human", here.who("Ada").id,
    )  # fmt: skip
    await fold_pending(desk.store, desk.bank, desk.hive, desk.clock)
    (item,) = [one for one in desk.bank.items() if one.kind == "learned_failure"]
    assert (item.alpha, item.beta) == (0, 1)


async def test_one_whose_decision_cannot_be_read_keeps_no_other_from_teaching(
    here: Waiting,
) -> None:
    desk = here.desk
    approvals = [await approved(here, run) for run in ("run-1", "run-2")]
    for approval in approvals:
        sent = Ended(DeliveryState.SENT)
        await Deliveries(desk.store, desk.clock).end(approval.decision_audit_id, sent)
    bad = approvals[0].decision_audit_id
    spoilt = text(f"UPDATE audit_index SET hash = '0' WHERE audit_id = '{bad}'")
    await desk.store.run(lambda conn: conn.execute(spoilt))
    with pytest.raises(AuditBroken):
        await LearnedYes(desk.store, desk.audit, desk.clock).run()
    (lesson,) = await lessons(here)
    assert lesson["event_id"] == f"approval_sent:{approvals[1].approval_id}"


@pytest.mark.parametrize("state", [DeliveryState.REFUSED, DeliveryState.FAILED])
async def test_a_yes_whose_email_never_went_out_teaches_nothing(
    here: Waiting, state: DeliveryState
) -> None:
    desk = here.desk
    approval = await approved(here)
    await Deliveries(desk.store, desk.clock).end(approval.decision_audit_id, Ended(state))
    assert await LearnedYes(desk.store, desk.audit, desk.clock).run() == 0
    assert await lessons(here) == []
