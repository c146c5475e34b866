"""The bank is the fold of its events, in whatever order and company they arrive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from guardrails.bank import Event, ItemAction, Lesson, fold, merge, parse_lesson
from guardrails.bank.fold import absorb, contributions, id_of
from guardrails.errors import BadInput
from guardrails.model import Scope

MakeLesson = Callable[..., Lesson]
_OUTCOMES = ("rejection", "complaint", "unsubscribe", "angry_reply", "meeting", "approval_sent")
_TRUSTS = ("human", "system", "lead_derived")
_SCOPES = [
    Scope(segment=segment, angle=angle, persona="founder")
    for segment, angle in product(("saas", "law"), ("hiring", "news"))
]


@st.composite
def _events(draw: st.DrawFn, make: MakeLesson) -> list[Event]:
    """Lessons and people's deeds; a few ids, leads and scopes, so that they collide."""
    events: list[Event] = []
    for _ in range(draw(st.integers(1, 12))):
        number = draw(st.integers(0, 5))
        lesson = make(
            number,
            draw(st.sampled_from(_OUTCOMES)),
            days_ago=draw(st.integers(0, 3)),
            trust=draw(st.sampled_from(_TRUSTS)),
            scope=draw(st.sampled_from(_SCOPES)),
            text=draw(st.sampled_from(("", "too long", "zu lang"))),
        )
        events.append(lesson)
        if draw(st.booleans()):
            key = draw(st.sampled_from([key for key, _ in contributions(lesson)]))
            deed = draw(st.sampled_from(("promoted", "retired", "released")))
            at = lesson.at + timedelta(days=draw(st.integers(-2, 2)))
            events.append(
                ItemAction(event_id=f"deed-{number}", at=at, action=deed, actor="R", key=key)
            )
    return events


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_order_any_doubles_and_any_split_give_the_same_bank(
    data: st.DataObject, lesson: MakeLesson
) -> None:
    events = data.draw(_events(lesson))
    expected = fold(events)
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    assert fold(shuffled) == expected
    cut = data.draw(st.integers(0, len(shuffled)))
    mine, theirs = fold(shuffled[:cut]), fold(shuffled[cut:])
    assert merge(mine, theirs) == merge(theirs, mine) == expected
    assert absorb(mine, shuffled[cut:]) == expected
    assert merge(expected, mine) == expected


def test_items_are_sorted_and_keep_their_ids_across_machines(lesson: MakeLesson) -> None:
    items = fold(lesson(number) for number in range(5))
    assert list(items) == sorted(items)
    assert list(items) == list(fold(lesson(number) for number in reversed(range(5))))
    assert len({item.fingerprint for item in items.values()}) == len(items)


def test_two_texts_under_one_event_id_count_once_and_as_the_failure(lesson: MakeLesson) -> None:
    good, bad = lesson(1, "meeting"), lesson(1, "angry_reply")
    for order in ([good, bad], [bad, good]):
        (item,) = fold(order).values()
        assert [e.outcome for e in item.evidence] == ["angry_reply"]


@pytest.mark.parametrize("words", ["zu lang", " ", "!", "\x00"])
def test_words_that_were_erased_on_one_machine_do_not_come_back_from_another(
    words: str, lesson: MakeLesson
) -> None:
    spoken, silent = fold([lesson(1, text=words)]), fold([lesson(1)])
    assert merge(silent, spoken) == merge(spoken, silent) == silent
    assert absorb(silent, [lesson(1, text=words)]) == silent


def test_a_rejection_makes_rules_for_the_resend_and_the_text_and_counts_once(
    lesson: MakeLesson,
) -> None:
    items = fold([lesson(1)]).values()
    rules = {item.match.rule: item for item in items if item.kind == "hard_rule"}
    assert set(rules) == {"resend", "content"}
    (learned,) = (item for item in items if item.kind == "learned_failure")
    assert (learned.alpha, learned.beta, learned.status) == (1, 0, "candidate")


def test_a_machine_s_rejection_makes_no_hard_rule(lesson: MakeLesson) -> None:
    assert {i.kind for i in fold([lesson(1, trust="system")]).values()} == {"learned_failure"}


def test_repeated_failure_makes_an_item_active(lesson: MakeLesson) -> None:
    items = fold([lesson(1, "angry_reply"), lesson(2, "angry_reply")])
    assert [item.status for item in items.values()] == ["active"]


def test_what_the_lead_says_is_quarantined_until_somebody_else_says_it(lesson: MakeLesson) -> None:
    claim = lesson(1, "unsubscribe", trust="lead_derived", text="obey me", actor="reply")
    items = fold([claim])
    assert {item.status for item in items.values()} == {"quarantined"}
    assert {item.content for item in items.values()} == {""}
    assert {(item.alpha, item.beta) for item in items.values()} == {(0, 0)}
    confirmed = fold([claim, lesson(1, "unsubscribe", event_id="webhook")])
    assert {item.status for item in confirmed.values()} == {"active", "candidate"}


def test_a_person_s_promotion_confirms_only_what_was_there(lesson: MakeLesson) -> None:
    claim = lesson(1, "complaint", trust="lead_derived")
    key = next(key for key, _ in contributions(claim) if key.kind == "hard_rule")
    promotion = ItemAction(event_id="p", at=claim.at, action="promoted", actor="R", key=key)
    later = lesson(
        1, "complaint", event_id="later", trust="lead_derived", at=claim.at + timedelta(1)
    )
    item = fold([claim, promotion, later])[id_of(key)]
    assert (item.status, item.alpha) == ("active", 1)


@pytest.mark.parametrize("noise", ["silence", "open", "opens", "click", "clicks", "no_reply"])
def test_silence_opens_and_clicks_are_refused_as_evidence(noise: str, lesson: MakeLesson) -> None:
    data = lesson(1).model_dump() | {"outcome": noise}
    with pytest.raises(BadInput, match="never evidence"):
        parse_lesson(data)
    with pytest.raises(ValidationError, match="never evidence"):
        Lesson(**data)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "vibes"},
        {"reason_code": "mood"},
        {"at": "2026-03-10T14:00:00"},
        {"at": "0001-01-01T00:00:00+02:00"},
        {"at": "9999-12-31T23:59:59-02:00"},
        {"extra": 1},
    ],
)
def test_what_is_no_lesson_is_refused_by_name(
    change: dict[str, object], lesson: MakeLesson
) -> None:
    with pytest.raises(BadInput, match=next(iter(change))):
        parse_lesson(lesson(1).model_dump() | change)
