"""Who outranks whom when the bank answers, and what people can do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails.bank import Bank, Lesson, Pattern, consult_slice, create_bank, describe
from guardrails.config.models import BankPolicy, GoldenItem, GoldenSet
from guardrails.errors import BadInput, BankUnreadable, NotFound
from guardrails.model import Scope, Verdict

MakeLesson = Callable[..., Lesson]
Lessons = Callable[..., list[Lesson]]
Ask = Callable[..., Pattern]
FEATURES = {"opener": "hiring", "claims": "company+role", "length": "short", "cta": "question"}


def _learned(bank: Bank) -> str:
    (item,) = (item for item in bank.items() if item.kind == "learned_failure")
    return item.id


def _golden_bank(
    tmp_path: Path, policy: BankPolicy, clock: Any, source: str, successes: int = 1
) -> Bank:
    item = GoldenItem(
        id="g1",
        title="Short and asking",
        segment="saas",
        angle="hiring",
        persona="founder",
        channel="cold_email",
        step=1,
        features=FEATURES,
        successes=successes,
        source=source,
    )
    path = tmp_path / "golden_bank.json"
    create_bank(path, GoldenSet(schema_version=1, version="1", items=(item,)), clock=clock)
    return Bank.open(path, policy, clock)


def test_an_empty_bank_says_so_in_numbers(bank: Bank, pattern: Ask) -> None:
    answer = bank.consult(pattern())
    assert answer.verdict is Verdict.PASS
    assert "0 failures of 0 trials" in answer.text
    assert answer.citations == ()
    assert answer.bank_version == bank.version


def test_one_rejection_blocks_the_identical_resend(
    bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    rejected = lesson(1, reason_code="factual")
    bank.learn(rejected)
    resend = pattern(lead_id=rejected.lead_id, content_hash="e" * 64)
    answer = bank.consult(resend)
    assert answer.verdict is Verdict.BLOCK
    cited = answer.citations[0]
    assert (cited.kind, cited.level, cited.effect, cited.n) == ("hard_rule", "exact", "block", 1)
    assert cited.evidence == ("event-1",)
    assert "factual" in cited.reason
    assert "another template" in cited.would_pass_if


def test_one_rejection_blocks_the_same_text_under_another_template(
    bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    rejected = lesson(1)
    bank.learn(rejected)
    same = pattern(content_hash=rejected.content_hash, template_hash="bbbbbbbbbbbbbbbb")
    assert bank.consult(same).verdict is Verdict.BLOCK


def test_another_template_for_the_rejected_lead_is_judged_anew(
    bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    rejected = lesson(1)
    bank.learn(rejected)
    other = pattern(lead_id=rejected.lead_id, template_hash="bbbbbbbbbbbbbbbb")
    assert bank.consult(other).verdict is Verdict.PASS


@pytest.mark.parametrize("outcome", ["unsubscribe", "complaint"])
def test_an_opt_out_blocks_every_e_mail_to_that_lead_at_once(
    outcome: str, bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    gone = lesson(1, outcome)
    bank.learn(gone)
    anything = pattern(
        lead_id=gone.lead_id,
        template_hash="bbbbbbbbbbbbbbbb",
        scope=Scope(segment="law", angle="news", persona="other", channel="crm_email", step=3),
    )
    assert bank.consult(anything).verdict is Verdict.BLOCK


def test_a_lead_rejected_as_a_competitor_s_stays_blocked(
    bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    rejected = lesson(1, reason_code="competitor")
    bank.learn(rejected)
    other = pattern(lead_id=rejected.lead_id, template_hash="bbbbbbbbbbbbbbbb")
    assert bank.consult(other).verdict is Verdict.BLOCK


def test_empty_strings_match_no_hard_rule(bank: Bank, lesson: MakeLesson, pattern: Ask) -> None:
    bank.learn(lesson(1, lead_id="", template_hash="", content_hash=""))
    unknown = pattern(lead_id="", template_hash="", content_hash="")
    assert bank.consult(unknown).verdict is Verdict.PASS


def test_the_lead_s_own_words_change_no_answer(
    bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    before = bank.consult(pattern())
    bank.learn(*(lesson(n, "angry_reply", trust="lead_derived") for n in range(20)))
    bank.learn(*(lesson(n, "meeting", trust="lead_derived") for n in range(20, 40)))
    after = bank.consult(pattern())
    assert after == before.model_copy(update={"bank_version": after.bank_version})
    assert {row.effect for row in describe(bank, lesson(1).at)} == {"none"}


def test_golden_evidence_in_the_same_scope_counts_as_success(
    tmp_path: Path, policy: BankPolicy, clock: Any, lessons: Lessons, pattern: Ask
) -> None:
    bank = _golden_bank(tmp_path, policy, clock, "Reviewer One, meetings of March", successes=10)
    bank.learn(*lessons(4, 0))
    answer = bank.consult(pattern())
    assert answer.verdict is Verdict.PASS
    assert (answer.citations[0].k, answer.citations[0].n) == (4, 14)


def test_an_invented_sample_is_shown_but_never_counted(
    tmp_path: Path, policy: BankPolicy, clock: Any, lessons: Lessons, pattern: Ask
) -> None:
    bank = _golden_bank(tmp_path, policy, clock, "sample: invented", successes=1000)
    bank.learn(*lessons(4, 0))
    answer = bank.consult(pattern(features=FEATURES))
    assert answer.verdict is Verdict.BLOCK
    assert answer.golden.matched


def test_people_s_golden_pattern_against_machines_failures_is_a_review_citing_both(
    tmp_path: Path, policy: BankPolicy, clock: Any, lessons: Lessons, pattern: Ask
) -> None:
    bank = _golden_bank(tmp_path, policy, clock, "Reviewer One, meetings of March")
    bank.learn(*lessons(8, 0, outcome="hard_bounce", trust="system"))
    assert bank.consult(pattern()).verdict is Verdict.BLOCK
    answer = bank.consult(pattern(features=FEATURES))
    assert answer.verdict is Verdict.REVIEW
    assert [c.kind for c in answer.citations] == ["learned_failure", "golden"]
    assert [c.effect for c in answer.citations] == ["review", "success"]


def test_people_s_golden_pattern_does_not_soften_people_s_rejections(
    tmp_path: Path, policy: BankPolicy, clock: Any, lessons: Lessons, pattern: Ask
) -> None:
    bank = _golden_bank(tmp_path, policy, clock, "Reviewer One, meetings of March")
    bank.learn(*lessons(8, 0))
    assert bank.consult(pattern(features=FEATURES)).verdict is Verdict.BLOCK


def test_a_hard_rule_outranks_a_golden_match(
    tmp_path: Path, policy: BankPolicy, clock: Any, lesson: MakeLesson, pattern: Ask
) -> None:
    bank = _golden_bank(tmp_path, policy, clock, "Reviewer One, meetings of March", successes=50)
    rejected = lesson(1)
    bank.learn(rejected)
    answer = bank.consult(pattern(lead_id=rejected.lead_id, features=FEATURES))
    assert answer.golden.matched
    assert answer.verdict is Verdict.BLOCK


def test_a_released_probe_makes_a_block_a_review_until_the_next_outcome(
    bank: Bank, lessons: Lessons, lesson: MakeLesson, pattern: Ask, clock: Any
) -> None:
    bank.learn(*lessons(6, 0))
    clock.step(days=1)
    bank.act(_learned(bank), "released", event_id="r", actor="Reviewer One", text="Try again.")
    released = bank.consult(pattern())
    assert released.verdict is Verdict.REVIEW
    assert "one probe" in released.text
    clock.step(days=1)
    bank.learn(lesson(50, at=clock()))
    assert bank.consult(pattern()).verdict is Verdict.BLOCK


def test_a_retired_rule_is_silent_until_it_happens_again(
    bank: Bank, lesson: MakeLesson, pattern: Ask, clock: Any
) -> None:
    gone = lesson(1, "unsubscribe")
    bank.learn(gone)
    asked = pattern(lead_id=gone.lead_id)
    (rule,) = (item for item in bank.items() if item.kind == "hard_rule")
    retired = bank.act(rule.id, "retired", event_id="r", actor="Reviewer One", text="Asked back.")
    assert retired.status == "retired"
    assert bank.consult(asked).verdict is Verdict.PASS
    clock.step(days=1)
    bank.learn(lesson(1, "unsubscribe", event_id="again", at=clock()))
    assert bank.consult(asked).verdict is Verdict.BLOCK


def test_an_action_on_an_unknown_item_is_refused(bank: Bank) -> None:
    with pytest.raises(NotFound, match="LF-0"):
        bank.act("LF-0", "retired", event_id="r", actor="R", text="")


def test_a_lesson_from_the_future_is_refused_and_nothing_of_its_batch_learned(
    bank: Bank, lesson: MakeLesson, clock: Any
) -> None:
    before = bank.version
    with pytest.raises(BadInput, match="future"):
        bank.learn(lesson(1), lesson(2, days_ago=-1))
    assert bank.version == before


def test_learning_twice_changes_nothing_and_learning_anew_moves_the_version(
    bank: Bank, lesson: MakeLesson
) -> None:
    assert len(bank.learn(lesson(1))) == 3
    version, size = bank.version, bank.size
    assert bank.learn(lesson(1)) == ()
    assert bank.version == version
    bank.learn(lesson(2))
    assert int(bank.version.split("+")[0]) == int(version.split("+")[0]) + 1
    assert bank.size == size + 2  # two hard rules; the learned item is the same


def test_a_recorded_slice_gives_the_recorded_answer_after_the_bank_moved_on(
    bank: Bank, lessons: Lessons, pattern: Ask, policy: BankPolicy, clock: Any
) -> None:
    bank.learn(*lessons(5, 3))
    for asked in (pattern(), pattern(lead_id=lessons(1, 0)[0].lead_id, features=FEATURES)):
        clock.step(days=3)
        now = clock()
        answer, recorded = bank.consult(asked), json.dumps(bank.evidence_for(asked))
        bank.learn(*lessons(3, 9, first=int(now.timestamp())))
        replayed = consult_slice(json.loads(recorded), asked, policy, now)
        assert replayed == answer
        assert replayed.model_dump_json() == answer.model_dump_json()
        assert bank.consult(asked) != answer


def test_a_slice_of_another_shape_is_refused(pattern: Ask, policy: BankPolicy, clock: Any) -> None:
    with pytest.raises(BankUnreadable, match="slice"):
        consult_slice({"slice_version": 2}, pattern(), policy, clock())


def test_a_person_s_words_are_cited_without_addresses(
    bank: Bank, lesson: MakeLesson, pattern: Ask
) -> None:
    bank.learn(lesson(1, text="Wrong name, ask ann@firm.example instead"))
    reason = bank.consult(pattern()).citations[0].reason
    assert "Wrong name" in reason
    assert "@" not in reason


def test_two_machines_banks_merge_into_the_same_bank(
    bank: Bank, tmp_path: Path, policy: BankPolicy, no_golden: GoldenSet, lessons: Lessons,
    clock: Any,
) -> None:  # fmt: skip
    path = tmp_path / "second.json"
    create_bank(path, no_golden, clock=clock)
    second = Bank.open(path, policy, clock)
    bank.learn(*lessons(3, 1))
    second.learn(*lessons(2, 2, first=2))
    bank.absorb_bank(second.items())
    second.absorb_bank(bank.items())
    assert bank.items() == second.items()
    assert bank.absorb_bank(second.items()) == ()
