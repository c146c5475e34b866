"""What the bank concludes from outcomes: thresholds, back-off, decay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.bank import Bank, Lesson, Pattern, consult_slice, fold
from guardrails.bank.index import Index
from guardrails.config.models import BankPolicy
from guardrails.model import BankAnswer, Scope, Verdict

Lessons = Callable[..., list[Lesson]]
Ask = Callable[..., Pattern]
OTHER_SEGMENT = Scope(segment="law", angle="hiring", persona="founder")
OTHER_PERSONA = Scope(segment="saas", angle="hiring", persona="executive")
OTHER_ANGLE = Scope(segment="saas", angle="news", persona="founder")
OTHER_STEP = Scope(segment="saas", angle="hiring", persona="founder", step=2)


def _answer(
    events: list[Lesson], asked: Pattern, policy: BankPolicy, days: float = 0.0
) -> BankAnswer:
    """The answer of a bank of `events`, `days` after the newest."""
    newest = max((event.at for event in events), default=None)
    assert newest is not None
    part = Index(fold(events).values(), policy, newest).slice_for(asked, "1+test")
    return consult_slice(part, asked, policy, newest + timedelta(days=days))


def _probability(answer: BankAnswer) -> float:
    return float(answer.text.split("= ")[1].split(",")[0].rstrip("."))


@pytest.mark.parametrize(
    ("failures", "successes", "probability", "verdict"),
    [
        (1, 0, 0.34, Verdict.PASS),
        (2, 0, 0.59, Verdict.REVIEW),
        (4, 0, 0.89, Verdict.BLOCK),
        (5, 3, 0.81, Verdict.BLOCK),
        (5, 30, 0.00, Verdict.PASS),
    ],
)
def test_the_design_s_numbers_hold_for_one_narrow_scope(
    failures: int,
    successes: int,
    probability: float,
    verdict: Verdict,
    lessons: Lessons,
    pattern: Ask,
    policy: BankPolicy,
) -> None:
    answer = _answer(lessons(failures, successes), pattern(), policy)
    assert answer.verdict is verdict
    assert _probability(answer) == pytest.approx(probability, abs=0.011)


def test_an_answer_prints_all_its_numbers(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    cited = _answer(lessons(5, 3), pattern(), policy).citations[0]
    assert (cited.k, cited.n) == (5, 8)
    assert (cited.prior, cited.posterior) == ("Beta(0.50, 4.50)", "Beta(5.50, 7.50)")
    assert cited.probability == pytest.approx(0.8137, abs=0.0001)
    assert (cited.threshold, cited.level) == (0.8, "segment_angle_persona")
    assert (cited.effect, cited.trust) == ("block", "human")
    assert len(cited.evidence) == 5
    assert cited.item_id.startswith("LF-")
    assert "more successes" in cited.would_pass_if


def test_the_promised_number_of_successes_is_the_least_that_passes(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    promised = _answer(lessons(4, 0), pattern(), policy).citations[0].would_pass_if
    needed = int(promised.split(": ")[1].split(" ")[0])
    assert _answer(lessons(4, needed), pattern(), policy).verdict is Verdict.PASS
    assert _answer(lessons(4, needed - 1), pattern(), policy).verdict is not Verdict.PASS


def test_the_promised_quiet_weeks_are_the_least_that_pass(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(4, 0)
    promised = _answer(events, pattern(), policy).citations[0].would_pass_if
    weeks = int(promised.split("or ")[1].split(" ")[0])
    assert _answer(events, pattern(), policy, days=7 * weeks).verdict is Verdict.PASS
    assert _answer(events, pattern(), policy, days=7 * weeks - 7).verdict is not Verdict.PASS


@pytest.mark.parametrize("scope", [OTHER_SEGMENT, OTHER_PERSONA])
def test_one_rejection_is_cited_on_similar_drafts_and_stops_none(
    scope: Scope, lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(1, 0)
    for asked in (pattern(), pattern(scope=scope)):
        answer = _answer(events, asked, policy)
        assert answer.verdict is Verdict.PASS
        assert [c.effect for c in answer.citations] == ["cite"]
        assert answer.citations[0].evidence == ("event-0",)


@pytest.mark.parametrize("scope", [OTHER_SEGMENT, OTHER_PERSONA, OTHER_ANGLE, OTHER_STEP])
def test_a_blocked_scope_does_not_stop_its_neighbours(
    scope: Scope, lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(5, 1)
    assert _answer(events, pattern(), policy).verdict is Verdict.BLOCK
    assert _answer(events, pattern(scope=scope), policy).verdict is Verdict.PASS


def test_broad_failure_informs_a_scope_without_history_but_never_blocks_it(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    segments = ("law", "agency", "staffing", "finance")
    events = [
        event
        for number, segment in enumerate(segments)
        for event in lessons(
            50, 0, first=100 * number, scope=OTHER_SEGMENT.model_copy(update={"segment": segment})
        )
    ]
    answer = _answer(events, pattern(), policy)
    assert answer.verdict is Verdict.REVIEW
    assert "no failure of its own" in answer.text
    assert answer.citations[0].level == "angle_persona"
    own_success = lessons(0, 6, first=1000)
    assert _answer(events + own_success, pattern(), policy).verdict is Verdict.PASS


def test_broad_success_does_not_overrule_repeated_failure_in_a_narrow_scope(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(0, 200, scope=OTHER_SEGMENT) + lessons(4, 0, first=500)
    assert _answer(events, pattern(), policy).verdict is Verdict.BLOCK


def test_several_outcomes_of_one_e_mail_are_one_trial(
    lesson: Callable[..., Lesson], pattern: Ask, policy: BankPolicy
) -> None:
    angry = [
        lesson(1, outcome, event_id=f"one-{outcome}")
        for outcome in ("approval_sent", "angry_reply", "unsubscribe", "complaint")
    ]
    answer = _answer(angry, pattern(), policy)
    assert answer.verdict is Verdict.PASS
    assert (answer.citations[0].k, answer.citations[0].n) == (1, 1)


_COUNT = st.integers(0, 12)


@settings(max_examples=60, deadline=None)
@given(own=st.tuples(_COUNT, _COUNT), broad=st.tuples(_COUNT, _COUNT), near=st.booleans())
def test_another_failure_anywhere_never_makes_a_scope_look_better(
    own: tuple[int, int],
    broad: tuple[int, int],
    near: bool,
    lessons: Lessons,
    pattern: Ask,
    policy: BankPolicy,
) -> None:
    where = OTHER_SEGMENT if near else OTHER_PERSONA
    base = lessons(*own) + lessons(*broad, first=100, scope=where) + lessons(0, 1, first=300)
    before = _answer(base, pattern(), policy)
    for more in (lessons(1, 0, first=200), lessons(1, 0, first=200, scope=where)):
        after = _answer(base + more, pattern(), policy)
        assert after.verdict.severity >= before.verdict.severity
        assert _probability(after) >= _probability(before)


@settings(max_examples=60, deadline=None)
@given(failures=st.integers(1, 30), days=st.floats(0, 400), more=st.floats(0, 400))
def test_failures_weigh_less_the_older_they_are(
    failures: int, days: float, more: float, lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(failures, 0)
    earlier = _answer(events, pattern(), policy, days)
    later = _answer(events, pattern(), policy, days + more)
    assert later.verdict.severity <= earlier.verdict.severity
    assert _probability(later) <= _probability(earlier)


def test_after_one_half_life_evidence_counts_half(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    cited = _answer(lessons(4, 2), pattern(), policy, days=90).citations[0]
    assert (cited.k, cited.n) == (2, 3)


def test_decay_is_the_same_whenever_the_bank_was_loaded(
    bank: Bank, lessons: Lessons, pattern: Ask, policy: BankPolicy, clock: Any, tmp_path: Any
) -> None:
    bank.learn(*lessons(4, 1))
    clock.step(days=33)
    fresh = Bank.open(tmp_path / "reasoning_bank.json", policy, clock)
    assert fresh.consult(pattern()) == bank.consult(pattern())


def test_a_block_expires_to_review_without_new_evidence(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(12, 0)
    assert _answer(events, pattern(), policy, days=59).verdict is Verdict.BLOCK
    expired = _answer(events, pattern(), policy, days=61)
    assert expired.verdict is Verdict.REVIEW
    assert "without news" in expired.text


def test_a_broader_level_counts_and_cites_only_what_lies_outside_the_narrower(
    lessons: Lessons, pattern: Ask, policy: BankPolicy
) -> None:
    events = lessons(1, 2, first=100, scope=OTHER_SEGMENT, days_ago=1) + lessons(4, 3)
    asked = [c for c in _answer(events, pattern(), policy).citations if c.effect != "success"]
    own, broader = asked
    assert (own.level, own.k, own.n) == ("segment_angle_persona", 4, 7)
    assert broader.level == "angle_persona"
    assert (broader.k, broader.n) == pytest.approx((0.992, 2.977), abs=0.001)
    assert broader.evidence[0] == "event-100"
    assert own.item_id != broader.item_id


def test_an_e_mail_that_failed_is_as_old_as_its_failure(
    lesson: Callable[..., Lesson], pattern: Ask, policy: BankPolicy
) -> None:
    failed = lesson(1, "angry_reply", days_ago=90)
    liked_later = lesson(1, "positive_reply", event_id="later")
    cited = _answer([failed, liked_later], pattern(), policy).citations[0]
    assert (cited.k, cited.n) == (0.5, 0.5)


def test_a_failure_so_old_that_nothing_is_left_of_it_holds_up_no_answer(
    lesson: Callable[..., Lesson], pattern: Ask, policy: BankPolicy
) -> None:
    ancient = lesson(1, days_ago=1100 * policy.half_life_days, lead_id=None, content_hash=None)
    both = _answer([ancient, lesson(2)], pattern(), policy)
    assert (both.verdict, both.citations[0].n) == (Verdict.PASS, 1)
    part = Index(fold([ancient]).values(), policy, lesson(2).at).slice_for(pattern(), "1+test")
    assert consult_slice(part, pattern(), policy, lesson(2).at).verdict is Verdict.PASS
