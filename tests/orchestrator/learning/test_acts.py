"""A person's acts upon the bank are on record, with a reason, before they count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guardrails.audit import AuditLog
from guardrails.bank import Item, Lesson, Pattern
from guardrails.bank.models import CONFIGURED
from guardrails.errors import AuditUnwritable, BadInput, NotFound
from guardrails.model import Verdict
from orchestrator.learning.acts import Acts, Person
from tests.decision_samples import DRAFT, section
from tests.orchestrator.outcomes.stage import Person as Lead
from tests.orchestrator.outcomes.stage import Stage

ME = Person("person:ada", "I looked at it.")
SCOPE = DRAFT.scope


def run(work: Any) -> Any:
    return asyncio.run(work)


def items(stage: Stage, kind: str) -> list[Item]:
    return [item for item in stage.bank.items() if item.kind == kind]


def failing(stage: Stage, count: int = 4) -> Item:
    """A pattern that failed often enough to block."""
    stage.bank.learn(
        *(
            Lesson(
                event_id=f"e-{number}", at=stage.clock(), outcome="hard_bounce", actor="instantly",
                trust="system", lead_id=f"L-{number}", scope=SCOPE, template_hash="a" * 16,
                content_hash=f"{number:064x}",
            )
            for number in range(count)
        )
    )  # fmt: skip
    (item,) = items(stage, "learned_failure")
    return item


def verdict(stage: Stage) -> Verdict:
    return stage.bank.consult(Pattern(lead_id="L-new", scope=SCOPE)).verdict


def test_a_release_lets_one_probe_be_looked_at(stage: Stage, acts: Acts) -> None:
    item = failing(stage)
    assert verdict(stage) is Verdict.BLOCK
    stage.clock.step(60)
    done = run(acts.act(item.id, "released", Person(ME.actor, f"{ME.reason} Ask a@b.co")))
    assert verdict(stage) is Verdict.REVIEW
    record = stage.audit.find(done.audit.audit_id)
    assert record is not None
    assert (record["kind"], record["actor"]) == ("bank", "person:ada")
    assert record["body"]["act"] == "released"
    assert done.item.evidence[-1].event_id == f"act:{done.audit.audit_id}"
    assert done.item.evidence[-1].text == f"{ME.reason} Ask [address]"


def test_a_retirement_ends_what_was_and_not_what_comes(stage: Stage, acts: Acts) -> None:
    item = failing(stage)
    stage.clock.step(60)
    run(acts.act(item.id[:8], "retired", ME))  # the beginning of an id will do
    assert verdict(stage) is Verdict.PASS
    with pytest.raises(BadInput, match="retired already"):
        run(acts.act(item.id, "retired", ME))


def test_what_answers_said_counts_from_a_persons_promotion_on(
    stage: Stage, ana: Lead, acts: Acts
) -> None:
    stage.instantly("reply_received", ana, reply_text="unsubscribe me")
    (rule,) = items(stage, "hard_rule")
    assert rule.status == "quarantined"
    stage.clock.step(60)
    assert run(acts.act(rule.id, "promoted", ME)).item.status == "active"
    answer = stage.bank.consult(Pattern(lead_id=ana.lead_id, scope=SCOPE))
    assert answer.verdict is Verdict.BLOCK


def test_acts_that_could_change_nothing_are_refused_and_not_recorded(
    stage: Stage, ana: Lead, acts: Acts
) -> None:
    stage.instantly("lead_unsubscribed", ana)
    (rule,) = items(stage, "hard_rule")
    (pattern,) = items(stage, "learned_failure")
    head = stage.audit.head()
    for name, act in ((rule.id, "released"), (pattern.id, "released"), (rule.id, "promoted")):
        with pytest.raises(BadInput):
            run(acts.act(name, act, ME))  # type: ignore[arg-type]
    for name in ("HR-", "", "LF-nothing"):
        with pytest.raises(NotFound):
            run(acts.act(name, "retired", ME)) if name != "HR-" else run(
                acts.act("GS", "retired", ME)
            )
    with pytest.raises(BadInput, match="reason"):
        Person("person:ada", "  ")
    with pytest.raises(BadInput, match="2,000"):  # the record would stand, and never count
        Person("person:ada", "a@b.co " + "x" * 1992)
    assert stage.audit.head() == head


def test_without_a_record_nothing_changes(stage: Stage) -> None:
    item = failing(stage)
    version = stage.bank.version

    class Full(AuditLog):
        async def record(self, entries: Any) -> Any:
            raise AuditUnwritable("the disk is full")

    audit = Full(stage.desk.hive, stage.store, stage.clock)
    acts = Acts(stage.store, audit, stage.bank, stage.clock)
    with pytest.raises(AuditUnwritable):
        run(acts.act(item.id, "retired", ME))
    audit.close()
    assert stage.bank.version == version


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ({"name": "lead_interested"}, "positive_reply"),
        ({"name": "lead_meeting_booked"}, "meeting"),
        ({"name": "reply_received", "reply_text": "Yes, let's talk"}, "positive_reply"),
    ],
)
def test_a_success_becomes_a_golden_pattern_of_its_structure(
    stage: Stage, ana: Lead, acts: Acts, event: dict[str, Any], outcome: str
) -> None:
    stage.instantly(event.pop("name"), ana, **event)
    before = {item.id for item in items(stage, "golden")}
    done = run(acts.promote_success(ana.key, ME))
    assert done.item.id not in before
    assert (done.item.status, done.item.beta, done.item.source_trust) == ("active", 1.0, "human")
    assert dict(done.item.match.features) == dict(DRAFT.features)
    assert done.item.evidence[-1].actor == "person:ada"
    # The success itself is a person's word from now on, whatever it was before.
    (pattern,) = items(stage, "learned_failure")
    assert {one.outcome for one in pattern.evidence if one.trust == "human"} == {outcome}
    assert (pattern.alpha, pattern.beta) == (0.0, 1.0)
    match = stage.bank.consult(
        Pattern(lead_id="L-new", scope=SCOPE, features=dict(DRAFT.features))
    ).golden
    assert (match.matched, match.item_id) == (True, done.item.id)


def test_promoted_twice_it_counts_once_and_a_second_email_adds_to_it(
    stage: Stage, ana: Lead, acts: Acts
) -> None:
    stage.instantly("lead_interested", ana)
    first = run(acts.promote_success(ana.lead_id, ME))
    again = run(acts.promote_success(ana.key, Person("person:ben", "me too")))
    assert again.audit.existing
    assert again.item == first.item
    assert ME.reason not in first.item.model_dump_json()  # a pattern outlives whom it was sent to
    bob = stage.wrote_to("bob@elm.example")
    stage.instantly("lead_interested", bob)
    assert run(acts.promote_success(bob.key, ME)).item.beta == 2.0


def test_a_promotion_survives_a_start_and_a_merge(stage: Stage, ana: Lead, acts: Acts) -> None:
    """Configuration retires what it does not state, but not what people promoted."""
    stage.instantly("lead_interested", ana)
    promoted = run(acts.promote_success(ana.key, ME)).item
    stage.clock.step(days=1)
    golden = section("golden_set")
    assert stage.bank.sync_golden(golden) == ()
    emptied = golden.model_copy(update={"items": ()})
    stage.bank.sync_golden(emptied)
    standing = {item.id: item.status for item in items(stage, "golden")}
    assert {name for name, status in standing.items() if status == "active"} == {promoted.id}
    theirs = stage.bank.items()
    stage.bank.absorb_bank(theirs)
    assert stage.bank.items() == theirs


def test_a_configured_pattern_that_a_person_retired_stays_so_until_it_is_stated_anew(
    stage: Stage, acts: Acts
) -> None:
    golden = section("golden_set")
    stage.clock.step(60)
    item = next(one for one in items(stage, "golden") if one.evidence[0].actor == CONFIGURED)
    run(acts.act(item.id, "retired", ME))
    stage.clock.step(60)
    stage.bank.sync_golden(golden)
    assert {one.id: one.status for one in items(stage, "golden")}[item.id] == "retired"
    changed = tuple(one.model_copy(update={"successes": one.successes + 1}) for one in golden.items)
    stage.bank.sync_golden(golden.model_copy(update={"items": changed}))
    assert {one.id: one.status for one in items(stage, "golden")}[item.id] == "active"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("lead_unsubscribed", {}),
        ("lead_not_interested", {}),
        ("auto_reply_received", {"reply_text": "away"}),
        ("reply_received", {"reply_text": "How much?"}),
        ("lead_no_show", {}),
    ],
)
def test_what_did_not_succeed_cannot_be_promoted(
    stage: Stage, ana: Lead, acts: Acts, name: str, more: dict[str, Any]
) -> None:
    stage.instantly(name, ana, **more)
    for about in (ana.key, ana.lead_id, "send:A-nothing"):
        with pytest.raises(NotFound):
            run(acts.promote_success(about, ME))


def test_whose_inputs_were_erased_cannot_be_promoted(stage: Stage, ana: Lead, acts: Acts) -> None:
    stage.instantly("lead_interested", ana)
    with stage.store.transaction() as conn:
        conn.exec_driver_sql("UPDATE documents SET document = NULL")
    with pytest.raises(NotFound, match="erased"):
        run(acts.promote_success(ana.key, ME))
    assert [item for item in items(stage, "golden") if "Promoted" in item.title] == []
