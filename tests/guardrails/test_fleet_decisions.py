"""What one machine decided, another one lets go, explains and derives again: from the record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from guardrails.audit import AuditLog
from guardrails.errors import AuditBroken
from guardrails.explain import explain
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.replay import replay
from guardrails.store import open_store
from guardrails.store.people_tables import lessons
from guardrails.store.tables import audit_index
from orchestrator.letters import recorded
from tests.conftest import SteppableClock
from tests.decision_samples import new_bank
from tests.guardrails.approval_samples import Assisted, Waiting
from tests.guardrails.authorize_samples import conversation, in_mode

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
def desks(
    tmp_path: Path, migrated_postgres_url: str, clock: SteppableClock
) -> Iterator[tuple[Assisted, Assisted]]:
    """Two machines' desks over one database: each with its hive, its audit files and its keys."""
    made = []
    for name in ("a", "b"):
        hive = Hive.open(tmp_path / name, sandbox=True)
        store = open_store(hive, migrated_postgres_url)
        audit = AuditLog(hive, store, clock)
        bank = new_bank(hive, clock)
        made.append(Assisted(hive, store, clock, audit, bank, in_mode(Mode.ASSISTED)))
    yield made[0], made[1]
    for desk in made:
        desk.audit.close()
        desk.store.close()


async def test_decided_here_and_approved_there_it_goes_out_there(
    desks: tuple[Assisted, Assisted],
) -> None:
    a, b = desks
    decision = await a.decided()
    asked = await Waiting(a).asked(decision)
    here = Waiting(b)
    done = await here.approvals.approve(
        asked.approval_id, asked.content_hash, here.who("Ada"), "slack"
    )
    assert (done.kind, here.let_go) == ("done", [asked.approval_id])
    given = await b.send(decision)
    assert given.verdict == "permitted"
    permit = await b.spend(given, conversation())
    assert permit.approver == here.who("Ada").id
    assert [len(desk.records(kind)) for desk in desks for kind in ("review", "approval")] == [
        1, 0, 0, 1,
    ]  # fmt: skip
    # And the first machine cannot send it as well.
    assert (await a.send(decision)).verdict != "permitted"


async def test_it_is_explained_derived_again_and_read_back_everywhere(
    desks: tuple[Assisted, Assisted],
) -> None:
    a, b = desks
    decision = await a.decided()
    texts = [explain(desk.audit.find(decision.audit_id) or {}) for desk in desks]
    assert texts[0] == texts[1]
    assert [replay(desk.audit, desk.store, decision.lead_id).same for desk in desks] == [True] * 2
    letters = [recorded(desk.audit, desk.store, decision.audit_id) for desk in desks]
    assert letters[0] == letters[1]
    again = await b.decided()  # the same lead of the same run, prepared again elsewhere
    assert (again.audit_id, again.audit_hash) == (decision.audit_id, decision.audit_hash)
    assert b.records("review") == []


async def test_a_no_there_teaches_what_was_decided_here(
    desks: tuple[Assisted, Assisted],
) -> None:
    a, b = desks
    asked = await Waiting(a).asked(await a.decided())
    here = Waiting(b)
    await here.approvals.reject(
        asked.approval_id, asked.content_hash, here.who("Ben"), "cli", reason_code="tone"
    )
    with a.store.read() as conn:
        assert len(conn.execute(select(lessons.c.event_id)).all()) == 1


async def test_of_a_yes_here_and_a_no_there_at_once_one_counts_for_both(
    desks: tuple[Assisted, Assisted],
) -> None:
    a, b = desks
    asked = await Waiting(a).asked(await a.decided())
    one, two = Waiting(a), Waiting(b)
    yes = one.approvals.approve(asked.approval_id, asked.content_hash, one.who("Ada"), "slack")
    no = two.approvals.reject(
        asked.approval_id, asked.content_hash, two.who("Ben"), "cli", reason_code="tone"
    )
    answers = await asyncio.gather(yes, no)
    assert sorted(answer.kind == "done" for answer in answers) == [False, True]
    ends = {(await waiting.approvals.get(asked.approval_id)).state for waiting in (one, two)}
    assert len(ends) == 1
    assert len(one.let_go) == (ends == {"approved"})
    assert sum(len(desk.records("approval")) for desk in desks) == 1


async def test_a_decision_that_was_edited_in_the_database_lets_nothing_go_elsewhere(
    desks: tuple[Assisted, Assisted],
) -> None:
    a, b = desks
    decision = await a.decided()
    asked = await Waiting(a).asked(decision)
    here = Waiting(b)
    await here.approvals.approve(asked.approval_id, asked.content_hash, here.who("Ada"), "slack")
    there = audit_index.c.audit_id == decision.audit_id
    with b.store.transaction() as conn:
        line = conn.execute(select(audit_index.c.line).where(there)).scalar_one()
        edited = line.replace('"tier":', '"tier" :')
        conn.execute(update(audit_index).where(there).values(line=edited))
    with pytest.raises(AuditBroken):
        await b.send(decision)
