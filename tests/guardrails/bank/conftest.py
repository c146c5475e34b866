"""Lessons, patterns and a policy with the design's numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.bank import Bank, Lesson, Pattern, create_bank
from guardrails.config.models import BankPolicy, GoldenSet
from guardrails.model import Scope

START = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
SCOPE = Scope(segment="saas", angle="hiring", persona="founder")
MakeLesson = Callable[..., Lesson]


@pytest.fixture(scope="session")
def policy() -> BankPolicy:
    return BankPolicy(
        prior_alpha=0.5,
        prior_beta=4.5,
        theta=0.3,
        review_at=0.5,
        block_at=0.8,
        half_life_days=90,
        block_expires_days=60,
        parent_weight=5,
        golden_similarity=0.6,
    )


@pytest.fixture(scope="session")
def lesson() -> MakeLesson:
    """A factory: lesson `number` is about its own lead; a person's rejection unless told."""

    def make(number: int, outcome: str = "rejection", **changed: Any) -> Lesson:
        at = START - timedelta(days=changed.pop("days_ago", 0.0))
        human = outcome in {"rejection", "approval_sent"}
        fields: dict[str, Any] = {
            "event_id": f"event-{number}",
            "at": at,
            "outcome": outcome,
            "reason_code": "tone" if outcome == "rejection" else None,
            "actor": "Reviewer One" if human else "instantly",
            "trust": "human" if human else "system",
            "lead_id": f"L-{number:020x}",
            "scope": SCOPE,
            "template_hash": "aaaaaaaaaaaaaaaa",
            "content_hash": f"{number:064x}",
        }
        return Lesson(**(fields | changed))

    return make


@pytest.fixture(scope="session")
def lessons(lesson: MakeLesson) -> Callable[..., list[Lesson]]:
    """A factory: `failures` rejections and `successes` positive replies in one scope."""

    def make(failures: int, successes: int, first: int = 0, **changed: Any) -> list[Lesson]:
        bad = [lesson(first + i, **changed) for i in range(failures)]
        good = range(first + failures, first + failures + successes)
        return bad + [lesson(i, "positive_reply", **changed) for i in good]

    return make


@pytest.fixture(scope="session")
def pattern() -> Callable[..., Pattern]:
    """A factory: a new lead's draft in the usual scope."""

    def make(scope: Scope = SCOPE, **changed: Any) -> Pattern:
        fields: dict[str, Any] = {
            "lead_id": "L-ffffffffffffffffffff",
            "scope": scope,
            "template_hash": "aaaaaaaaaaaaaaaa",
            "content_hash": "f" * 64,
        }
        return Pattern(**(fields | changed))

    return make


@pytest.fixture(scope="session")
def no_golden() -> GoldenSet:
    return GoldenSet(schema_version=1, version="none", items=())


@pytest.fixture
def bank(tmp_path: Path, policy: BankPolicy, no_golden: GoldenSet, clock: Any) -> Bank:
    """A fresh bank without golden items, under the steppable clock."""
    path = tmp_path / "reasoning_bank.json"
    create_bank(path, no_golden, clock=clock)
    return Bank.open(path, policy, clock)
