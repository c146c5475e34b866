"""The golden set, the demonstration's seed lessons, and the table for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from guardrails.bank import Bank, Lesson, Pattern, create_bank, describe, load_seed_lessons
from guardrails.config.models import BankPolicy, GoldenItem, GoldenSet
from guardrails.errors import ConfigError
from guardrails.model import Scope, Verdict

Ask = Callable[..., Pattern]
ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "config" / "golden_set.json"
SEEDS = ROOT / "config" / "sandbox_lessons.json"
SEGMENTS = [
    "agency",
    "staffing",
    "consulting",
    "law",
    "accounting",
    "real_estate",
    "ecommerce",
    "saas",
    "it_services",
    "healthcare",
    "finance",
    "manufacturing",
    "logistics",
    "construction",
    "other",
]
PERSONAS = [
    "founder",
    "executive",
    "sales_leader",
    "marketing_leader",
    "operations_leader",
    "technology_leader",
    "manager",
    "other",
]
ANGLES = ["news", "hiring", "funding", "tech_stack", "visitor", "segment", "plain"]
VOCABULARY = {
    "opener": set(ANGLES),
    "claims": {"company+role", "company", "role", "none"},
    "length": {"short", "medium", "long"},
    "cta": {"question", "meeting", "resource"},
    "subject": {"company", "topic", "person"},
}


@pytest.fixture(scope="session")
def shipped() -> GoldenSet:
    return GoldenSet.model_validate_json(GOLDEN.read_text(encoding="utf-8"))


@pytest.fixture
def demo(tmp_path: Path, policy: BankPolicy, shipped: GoldenSet, clock: Any) -> Bank:
    """The bank that the demonstration starts with."""
    path = tmp_path / "demo.json"
    create_bank(path, shipped, load_seed_lessons(SEEDS), clock=clock)
    return Bank.open(path, policy, clock)


def _golden(number: int, segment: str, successes: int = 1, **features: str) -> GoldenItem:
    return GoldenItem(
        id=f"g{number}",
        title=f"Pattern {number}",
        segment=segment,
        angle="hiring",
        persona="founder",
        channel="cold_email",
        step=1,
        features=features,
        successes=successes,
        source="Reviewer One",
    )


def _open(path: Path, policy: BankPolicy, clock: Any, *items: GoldenItem) -> Bank:
    create_bank(path, GoldenSet(schema_version=1, version="1", items=items), clock=clock)
    return Bank.open(path, policy, clock)


def test_the_shipped_set_speaks_our_vocabulary_and_calls_itself_a_sample(
    shipped: GoldenSet,
) -> None:
    assert 6 <= len(shipped.items) <= 10
    assert len({item.id for item in shipped.items}) == len(shipped.items)
    for item in shipped.items:
        assert item.source.startswith("sample: ")
        assert item.segment in SEGMENTS
        assert item.persona in PERSONAS
        assert item.features["opener"] == item.angle
        assert set(item.features) == set(VOCABULARY)
        assert all(value in VOCABULARY[name] for name, value in item.features.items())


def test_the_demo_blocks_one_pattern_and_no_other(demo: Bank) -> None:
    stopped = {
        (segment, angle, persona): answer.verdict
        for segment, angle, persona in product(SEGMENTS, ANGLES, PERSONAS)
        if (
            answer := demo.consult(
                Pattern(scope=Scope(segment=segment, angle=angle, persona=persona))
            )
        ).verdict
        is not Verdict.PASS
    }
    assert stopped == {("manufacturing", "tech_stack", "operations_leader"): Verdict.BLOCK}


def test_the_demo_s_single_rejection_is_cited_and_stops_nothing(demo: Bank) -> None:
    scope = Scope(segment="consulting", angle="hiring", persona="founder")
    answer = demo.consult(Pattern(lead_id="L-1", scope=scope))
    assert answer.verdict is Verdict.PASS
    assert answer.citations[0].effect == "cite"
    assert answer.citations[0].evidence == ("seed-consulting-1",)


@pytest.mark.parametrize("half_life", [30, 90, 365])
def test_the_demo_answers_alike_under_other_half_lives_and_in_later_years(
    half_life: float, tmp_path: Path, policy: BankPolicy, shipped: GoldenSet, clock: Any
) -> None:
    clock.step(days=5 * 365)
    path = tmp_path / "late.json"
    create_bank(path, shipped, load_seed_lessons(SEEDS), clock=clock)
    changed = policy.model_copy(update={"half_life_days": half_life})
    late = Bank.open(path, changed, clock)
    test_the_demo_blocks_one_pattern_and_no_other(late)


def test_the_table_shows_each_item_with_its_effect_now(demo: Bank, clock: Any) -> None:
    rows = describe(demo, clock())
    assert len(rows) == demo.size
    learned = {row.effect: row for row in rows if row.kind == "learned_failure"}
    assert set(learned) == {"block", "cite"}
    assert "manufacturing x tech_stack x operations_leader" in learned["block"].scope
    assert learned["block"].probability is not None
    assert learned["block"].probability >= 0.8
    assert learned["cite"].status == "candidate"
    assert {row.effect for row in rows if row.kind == "hard_rule"} == {"block"}
    assert {row.effect for row in rows if row.kind == "golden"} == {"success"}


def test_likeness_is_the_share_of_structure_in_common_and_names_what_is_missing(
    tmp_path: Path, policy: BankPolicy, clock: Any, pattern: Ask
) -> None:
    features = {"opener": "hiring", "claims": "company", "length": "short", "cta": "question"}
    bank = _open(tmp_path / "g.json", policy, clock, _golden(1, "saas", **features))
    near = bank.consult(pattern(features=features | {"cta": "meeting", "subject": "topic"})).golden
    assert (near.matched, near.similarity, near.missing) == (True, 0.75, ("cta=question",))
    far = bank.consult(pattern(features={"opener": "hiring"}))
    assert (far.golden.matched, far.golden.similarity) == (False, 0.25)
    assert far.verdict is Verdict.PASS, "unlike the golden set is not wrong"
    assert bank.consult(pattern()).golden.similarity == 0


def test_likeness_at_the_threshold_is_a_match(
    tmp_path: Path, policy: BankPolicy, clock: Any, pattern: Ask
) -> None:
    features = dict.fromkeys(("a", "b", "c", "d", "e"), "1")
    bank = _open(tmp_path / "g.json", policy, clock, _golden(1, "saas", **features))
    three = bank.consult(pattern(features={"a": "1", "b": "1", "c": "1", "d": "2"})).golden
    assert (three.matched, three.similarity) == (True, policy.golden_similarity)
    two = bank.consult(pattern(features={"a": "1", "b": "1"})).golden
    assert (two.matched, two.missing) == (False, ("c=1", "d=1", "e=1"))


def test_the_narrowest_match_is_shown_and_otherwise_the_likest(
    tmp_path: Path, policy: BankPolicy, clock: Any, pattern: Ask
) -> None:
    own = _golden(1, "saas", opener="hiring", claims="company", length="short", cta="question")
    other = _golden(2, "law", opener="hiring", claims="role", length="long", cta="meeting")
    bank = _open(tmp_path / "g.json", policy, clock, own, other)
    both = {"opener": "hiring", "claims": "company", "length": "short", "cta": "meeting"}
    assert bank.consult(pattern(features=both)).golden.title == "g1: Pattern 1"
    theirs = bank.consult(pattern(features=dict(other.features))).golden
    assert (theirs.matched, theirs.title) == (True, "g2: Pattern 2")
    neither = bank.consult(pattern(features={"claims": "role", "length": "long"})).golden
    assert (neither.matched, neither.title) == (False, "g2: Pattern 2")


def test_another_channel_or_step_has_its_own_golden_patterns(
    tmp_path: Path, policy: BankPolicy, clock: Any, pattern: Ask
) -> None:
    features = {"opener": "hiring", "claims": "company"}
    bank = _open(tmp_path / "g.json", policy, clock, _golden(1, "saas", **features))
    follow_up = Scope(segment="saas", angle="hiring", persona="founder", step=2)
    assert bank.consult(pattern(scope=follow_up, features=features)).golden.item_id is None


def test_a_changed_golden_set_replaces_what_was_configured_before(
    tmp_path: Path, policy: BankPolicy, clock: Any, pattern: Ask
) -> None:
    features = {"opener": "hiring", "claims": "company"}
    first, second = (_golden(n, "saas", **features, cta=f"c{n}") for n in (1, 2))
    bank = _open(tmp_path / "g.json", policy, clock, first)
    clock.step(days=1)
    more = first.model_copy(update={"successes": 7})
    bank.sync_golden(GoldenSet(schema_version=1, version="2", items=(more,)))
    (item,) = bank.items()
    assert item.beta == 7  # stated anew, not added
    clock.step(days=1)
    bank.sync_golden(GoldenSet(schema_version=1, version="3", items=(second,)))
    assert {i.title: i.status for i in bank.items()} == {
        "g1: Pattern 1": "retired",
        "g2: Pattern 2": "active",
    }
    assert bank.consult(pattern(features=dict(first.features))).golden.title == "g2: Pattern 2"
    clock.step(days=1)
    bank.sync_golden(GoldenSet(schema_version=1, version="4", items=(first,)))
    assert {i.status for i in bank.items() if i.title.startswith("g1")} == {"active"}


def test_syncing_the_same_golden_set_changes_nothing(demo: Bank, shipped: GoldenSet) -> None:
    version = demo.version
    assert demo.sync_golden(shipped) == ()
    assert demo.version == version


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ('{"schema_version": 1, "note": "", "lessons": [{"outcome": "opens"}]}', "lessons.0"),
        ('{"schema_version": 2, "note": "", "lessons": []}', "schema_version"),
    ],
)
def test_a_seed_file_that_is_wrong_is_named(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_seed_lessons(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_seed_lessons(tmp_path / "absent.json")


def test_seeds_are_dated_back_from_the_day_they_are_planted(clock: Any) -> None:
    for seed in load_seed_lessons(SEEDS):
        lesson: Lesson = seed.resolve(clock())
        assert (clock() - lesson.at).days == seed.days_ago
    assert "example" not in json.dumps([s.text for s in load_seed_lessons(SEEDS)])
