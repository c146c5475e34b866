"""The long-term memory may speak against an e-mail, and nothing it says or hides allows one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.model import (
    Dossier,
    RecalledLead,
    RecalledOutcome,
    RecalledTouch,
    Recollection,
    Verdict,
)
from guardrails.policy import evaluate, turned_away, verdict_of
from tests.decision_samples import ANSWER, NOW, POLICY, dossier, inputs, said, verdict

WEEK = timedelta(days=7)


def recalled(**changes: Any) -> Any:
    return inputs(dossier=dossier(memory=Recollection(**({"answered": True} | changes))))


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({}, {}),
        ({"suppressed": "opt_out"}, {"memory_suppressed": Verdict.BLOCK}),
        *(
            ({"outcomes": (RecalledOutcome(kind=kind, at=NOW - 300 * WEEK),)},
             {f"memory_{kind}": Verdict.BLOCK})
            for kind in ("unsubscribe", "complaint", "bounce", "dnd")
        ),
        ({"outcomes": (RecalledOutcome(kind="reply", reply_class="positive", at=NOW),)}, {}),
        ({"touches": (RecalledTouch(at=NOW - WEEK, elsewhere=True),)},
         {"contacted_recently": Verdict.REVIEW}),
        ({"touches": (RecalledTouch(at=NOW - 20 * WEEK, elsewhere=True),)}, {}),
        ({"touches": (RecalledTouch(at=NOW - WEEK, elsewhere=False),)}, {}),
        ({"leads": (RecalledLead(state="disqualified", at=NOW),)}, {}),
    ],
)  # fmt: skip
def test_what_it_knows_against_them_counts(
    memory: dict[str, Any], expected: dict[str, Verdict]
) -> None:
    assert said(recalled(**memory)) == expected


def test_its_silence_is_on_record_and_stops_nobody() -> None:
    silent = recalled(answered=False, why="no answer within 1.5 s")
    checks = {check.rule: check for check in evaluate(silent, POLICY, ANSWER)}
    assert (checks["memory"].verdict, checks["memory"].code) == (Verdict.PASS, "away")
    assert "1.5 s" in checks["memory"].text
    assert verdict(silent) is Verdict.PASS


def test_where_none_was_asked_there_is_no_check_as_on_old_records() -> None:
    assert "memory" not in {check.rule for check in evaluate(inputs(), POLICY, ANSWER)}
    document = inputs().dossier.model_dump(mode="json")
    document.pop("memory")
    assert Dossier.model_validate(document).memory is None


def test_nothing_more_is_paid_for_a_lead_that_it_speaks_against() -> None:
    assert turned_away(recalled(suppressed="opt_out"), POLICY)
    assert not turned_away(recalled(), POLICY)


TIMES = st.datetimes().map(lambda at: at.replace(tzinfo=NOW.tzinfo))
MEMORIES = st.builds(
    Recollection,
    answered=st.booleans(),
    why=st.none() | st.text(max_size=40),
    suppressed=st.none() | st.text(max_size=40),
    outcomes=st.lists(
        st.builds(RecalledOutcome, kind=st.text(max_size=20) | st.just("complaint"), at=TIMES),
        max_size=3,
    ).map(tuple),
    touches=st.lists(st.builds(RecalledTouch, at=TIMES, elsewhere=st.booleans()), max_size=3).map(
        tuple
    ),
)
WITHOUT = (
    inputs(),
    inputs(suppression="email, asked (form)"),
    inputs(dossier=dossier({"title": "Intern"})),
    inputs(dossier=dossier(crm=None)),
    inputs(draft=None),
)


@settings(deadline=None, max_examples=80)
@given(memory=MEMORIES, number=st.integers(0, len(WITHOUT) - 1))
def test_whatever_it_says_no_verdict_is_milder_for_it(memory: Recollection, number: int) -> None:
    plain = WITHOUT[number]
    told = plain.model_copy(update={"dossier": plain.dossier.model_copy(update={"memory": memory})})
    before = verdict_of(evaluate(plain, POLICY, ANSWER))
    assert verdict_of(evaluate(told, POLICY, ANSWER)).severity >= before.severity
