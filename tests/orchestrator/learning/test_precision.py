"""Block precision rests on people's words alone, and says how little it knows."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.learning.precision import Precision, interval, precision

ENDED: dict[str, tuple[str, str]] = {}


def review(name: str, day: int, *, by: str | None = "learned_failure", lead: str = "L-1",
           template: str = "t1") -> dict[str, Any]:  # fmt: skip
    citations = [{"item_id": "X-1", "effect": "block", "kind": by}] if by else []
    verdict = "block" if by else "pass"
    return {
        "kind": "review",
        "audit_id": name,
        "at": f"2026-03-{day:02}T10:00:00.000000Z",
        "lead_id": lead,
        "body": {
            "bank": {"verdict": verdict, "citations": citations},
            "template_hash": template,
        },
    }


def label(of: str, would_send: bool, day: int = 20) -> dict[str, Any]:
    body = {"label_of": of, "would_send": would_send}
    at = f"2026-03-{day:02}T10:00:00.000000Z"
    return {"kind": "bank_label", "audit_id": "A-l", "at": at, "lead_id": "L-1", "body": body}


def told(*records: dict[str, Any], **ended: tuple[str, str]) -> Precision:
    return precision(records, ended)


def test_without_a_word_of_anybody_nothing_is_known() -> None:
    found = told(review("a", 1), review("b", 2))
    assert (found.blocked, found.labelled, found.share, found.interval) == (2, 0, None, None)
    assert found.unlabelled == ("b", "a")


def test_labels_count_and_the_last_one_stands() -> None:
    blocks = [review(name, 1, lead=name) for name in "abcd"]
    words = [label("a", False), label("b", False), label("c", True), label("b", True)]
    found = told(*blocks, *words)
    assert (found.blocked, found.labelled, found.right) == (4, 3, 1)
    assert found.share == pytest.approx(1 / 3)
    assert found.unlabelled == ("d",)


def test_the_last_label_stands_whichever_machine_it_was_given_on() -> None:
    """The records of one machine are read after those of the other."""
    here = [review("b", 2, lead="b"), label("b", False, 12)]
    there = [review("a", 1, lead="a"), label("b", True, 11), review("c", 3, lead="c")]
    one, other = told(*here, *there), told(*there, *here)
    assert one == other
    assert (one.labelled, one.right, one.unlabelled) == (1, 1, ("c", "a"))


def test_a_persons_later_word_on_the_same_thing_counts() -> None:
    block = review("a", 1)
    again = review("probe", 5, by=None)
    yes = told(block, again, probe=("approved", "2026-03-05T12:00:00.000000Z"))
    assert (yes.labelled, yes.right) == (1, 0)
    no = told(block, again, probe=("rejected", "2026-03-05T12:00:00.000000Z"))
    assert (no.labelled, no.right) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        review("probe", 5, by=None, lead="L-2"),
        review("probe", 5, by=None, template="t2"),
    ],
)
def test_a_word_on_another_lead_or_template_says_nothing(other: dict[str, Any]) -> None:
    found = told(review("a", 1), other, probe=("approved", "2026-03-05T12:00:00.000000Z"))
    assert found.labelled == 0


def test_a_word_before_the_block_says_nothing_about_it() -> None:
    earlier = review("first", 1, by=None)
    found = told(earlier, review("a", 9), first=("approved", "2026-03-01T12:00:00.000000Z"))
    assert found.labelled == 0


def test_a_label_stands_above_what_was_done() -> None:
    again = review("probe", 5, by=None)
    found = told(
        review("a", 1), again, label("a", False), probe=("approved", "2026-03-05T12:00:00.000000Z")
    )
    assert (found.labelled, found.right) == (1, 1)


def test_blocks_by_a_persons_own_rule_are_not_the_banks_judgement() -> None:
    found = told(review("a", 1, by="hard_rule"), review("b", 1), label("a", True))
    assert (found.blocked, found.hard, found.labelled) == (1, 1, 0)


def test_reviews_passes_and_records_without_a_bank_are_no_blocks() -> None:
    passed = review("a", 1, by=None)
    bare = {"kind": "review", "audit_id": "n", "at": "x", "lead_id": None, "body": {"bank": None}}
    intake = {"kind": "intake", "audit_id": "i", "at": "x", "lead_id": None, "body": {}}
    assert told(passed, bare, intake).blocked == 0


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 0, 0.05, 0.95), (1, 1, 0.2236, 0.9747), (9, 10, 0.6356, 0.9667), (50, 100, 0.419, 0.581)],
)
def test_the_interval_is_the_middle_of_its_beta(k: int, n: int, low: float, high: float) -> None:
    found = interval(k, n)
    assert found == pytest.approx((low, high), abs=2e-3)
