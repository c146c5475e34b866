"""Who waits too long is called once, then somebody else, then it is over: not sent."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from guardrails.approval_model import Approval, ApprovalState
from guardrails.approval_rows import end_id
from guardrails.approvers import Approver, ApproverList
from guardrails.errors import AuditBroken
from orchestrator.slack.sla import Sla
from tests.guardrails.approval_samples import RULES
from tests.orchestrator.slack.conftest import Office

pytestmark = pytest.mark.anyio
MINUTE = 60.0


def called(office: Office, asked: Approval) -> list[str]:
    return [text.partition(">")[0].removeprefix("<@") for text in office.thread(asked)]


async def rounds(office: Office, sla: Sla | None = None) -> None:
    for _ in range(2):  # the second has nothing to do
        await (sla or office.service.sla).round()
    await office.settle(4)


async def test_a_reminder_then_somebody_else_then_the_end(office: Office) -> None:
    asked, _ = await office.posted()
    await rounds(office)
    assert office.thread(asked) == []
    office.clock.step(30 * MINUTE)
    await rounds(office)
    (first,) = called(office, asked)
    assert first in ("U0ANA01", "U0BEN02", "U0CAI04", "U0DEA05")
    office.clock.step(30 * MINUTE)
    await rounds(office)
    assert called(office, asked) == [first, "U0EVA03"]
    office.clock.step(days=1)
    await rounds(office)
    assert await office.state(asked) is ApprovalState.EXPIRED
    assert office.card(asked)["text"].endswith("expired: not sent")
    assert len(office.thread(asked)) == 2


async def test_one_whose_record_does_not_hold_keeps_nobody_from_being_reminded(
    office: Office,
) -> None:
    bad, _ = await office.posted()
    good, _ = await office.posted(1)
    ana = office.waiting.people.by_slack("U0ANA01")
    assert ana is not None
    await office.waiting.approvals.approve(bad.approval_id, bad.content_hash, ana, "cli")
    for sql in (
        f"UPDATE approvals SET state = 'waiting' WHERE approval_id = '{bad.approval_id}'",
        f"UPDATE audit_index SET hash = '0' WHERE decision_id = '{end_id(bad.approval_id)}'",
    ):
        await office.waiting.desk.store.run(lambda conn, sql=sql: conn.execute(text(sql)))  # type: ignore[misc]
    office.clock.step(31 * MINUTE)
    with pytest.raises(AuditBroken):
        await office.service.sla.round()
    await office.settle(4)
    assert len(office.thread(good)) == 1


async def test_a_restart_reminds_nobody_twice(office: Office) -> None:
    asked, _ = await office.posted()
    office.clock.step(31 * MINUTE)
    await office.service.sla.round()
    other = office.another()
    await rounds(office, other.sla)
    other.close()
    assert len(office.thread(asked)) == 1


async def test_what_was_decided_in_time_calls_nobody(office: Office) -> None:
    asked, _ = await office.posted()
    ana = office.waiting.people.by_slack("U0ANA01")
    assert ana is not None
    await office.waiting.approvals.approve(asked.approval_id, asked.content_hash, ana, "cli")
    office.clock.step(days=2)
    await rounds(office)
    assert office.thread(asked) == []


async def test_the_writer_is_never_asked_to_approve(office: Office) -> None:
    eva = office.waiting.people.by_slack("U0EVA03")
    ana = office.waiting.people.by_slack("U0ANA01")
    assert eva is not None
    assert ana is not None
    for number, author in enumerate((eva, ana)):
        asked, _ = await office.posted(number, author=author.id)
        sla = office.service.sla
        people = {sla.first(asked), sla.other(asked)}
        assert author not in people
        assert len(people - {None}) == 2


def sla_of(office: Office, *people: Approver) -> Sla:
    waiting = office.waiting
    waiting.people = ApproverList(people)
    return Sla(waiting.desk.store, waiting.another(), RULES, office.clock)


def person(name: str, role: str = "approver", slack: bool = True) -> Approver:
    return Approver(f"U-{name}", name, f"U0{name.upper()}" if slack else None, role)  # type: ignore[arg-type]


async def test_with_two_approvers_the_other_one_is_asked(office: Office) -> None:
    asked, _ = await office.posted()
    sla = sla_of(office, person("ana"), person("ben"))
    assert {sla.first(asked), sla.other(asked)} == {person("ana"), person("ben")}


async def test_with_nobody_to_call_it_says_so_and_calls_nobody(office: Office) -> None:
    asked, _ = await office.posted()
    sla = sla_of(office, person("ana", slack=False))
    office.clock.step(31 * MINUTE)
    await rounds(office, sla)
    office.clock.step(31 * MINUTE)
    await rounds(office, sla)
    first, second = office.thread(asked)
    assert first.startswith("This has waited since")
    assert second.startswith("Still nobody has decided, and nobody else is on the list.")
