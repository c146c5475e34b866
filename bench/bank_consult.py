"""How a consultation grows with the bank: p50 and p99 at 100 to 100,000 items, as ratios.

One run, one process; every figure is shown next to its ratio to the smallest bank's, so that the
machine's speed divides out. Every consultation counts, the scheduler's interruptions included.
Nothing is asserted. Seeded: the same banks and questions every time.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from guardrails.bank import Bank, ItemKey, Lesson, Pattern, fold
from guardrails.bank.file import exclusive, write_document
from guardrails.bank.models import GoldenEvent, Item, ItemScope, Match
from guardrails.config.loader import load_config
from guardrails.config.models import BankPolicy
from guardrails.model import Scope, Verdict

SIZES = (100, 1_000, 10_000, 100_000)
QUESTIONS = 3_000
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ANGLES = ("news", "hiring", "funding", "tech_stack", "visitor", "segment", "plain")
PERSONAS = ("founder", "executive", "sales_leader", "operations_leader", "manager", "other")
OUTCOMES = {"rejection": 15, "unsubscribe": 5, "hard_bounce": 5, "approval_sent": 60, "meeting": 15}
CHOICES = {
    "claims": ("company+role", "company", "role", "none"),
    "length": ("short", "medium", "long"),
    "cta": ("question", "meeting", "resource"),
}


def _scope(rng: random.Random, breadth: int) -> Scope:
    segment = f"segment-{rng.randrange(breadth)}"
    return Scope(segment=segment, angle=rng.choice(ANGLES), persona=rng.choice(PERSONAS))


def _features(rng: random.Random, scope: Scope) -> dict[str, str]:
    return {"opener": scope.angle} | {name: rng.choice(of) for name, of in CHOICES.items()}


def _lesson(rng: random.Random, number: int, breadth: int) -> Lesson:
    (outcome,) = rng.choices(list(OUTCOMES), list(OUTCOMES.values()))
    return Lesson(
        event_id=f"event-{number}",
        at=NOW - timedelta(days=rng.uniform(0, 200)),
        outcome=outcome,
        reason_code="tone" if outcome == "rejection" else None,
        actor="bench",
        trust="human" if outcome in {"rejection", "approval_sent"} else "system",
        lead_id=f"L-{number:020x}",
        scope=_scope(rng, breadth),
        template_hash=f"{rng.randrange(12):016x}",
        content_hash=f"{number:064x}",
    )


def _golden(rng: random.Random, number: int, breadth: int) -> GoldenEvent:
    scope = _scope(rng, breadth)
    key = ItemKey(
        kind="golden",
        scope=ItemScope(**scope.model_dump()),
        match=Match(features=_features(rng, scope)),
        name=f"golden-{number}",
    )
    return GoldenEvent(
        event_id=f"g-{number}", at=NOW, key=key, successes=3, source="bench", sample=False
    )


def _breadth(size: int) -> int:
    """Segments, so that every scope has a few outcomes at every size."""
    return max(1, size // 100)


def _items(size: int) -> list[Item]:
    """`size` items of all kinds; the number of scopes grows with the bank, one scope is hot."""
    rng = random.Random(size)
    breadth = _breadth(size)
    events: list[Lesson | GoldenEvent] = [_golden(rng, n, breadth) for n in range(size // 20)]
    events += [_lesson(rng, number, breadth) for number in range(size * 2)]
    hot = _scope(rng, breadth)
    events += [
        _lesson(rng, 10**9 + number, breadth).model_copy(update={"scope": hot})
        for number in range(size // 10)
    ]
    items = list(fold(events).values())
    rng.shuffle(items)
    return sorted(items[:size], key=lambda item: item.id)


def _questions(size: int) -> Iterator[Pattern]:
    """Half of new leads, half of leads that the bank may know."""
    rng = random.Random(size + 1)
    for number in range(QUESTIONS):
        scope = _scope(rng, _breadth(size))
        lead = rng.randrange(size * 2) if number % 2 else 10**12 + number
        yield Pattern(
            lead_id=f"L-{lead:020x}",
            scope=scope,
            template_hash=f"{rng.randrange(12):016x}",
            content_hash=f"{lead:064x}",
            features=_features(rng, scope),
        )


def _measure(size: int, policy: BankPolicy) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reasoning_bank.json"
        items = _items(size)
        with exclusive(path):
            write_document(path, items, counter=1)
        started = time.perf_counter()
        bank = Bank.open(path, policy, lambda: NOW)
        loaded = time.perf_counter() - started
        asked = list(_questions(size))
        times = sorted(_once(bank, pattern) for pattern in asked)
        stopped = sum(bank.consult(pattern).verdict is not Verdict.PASS for pattern in asked)
    return {
        "items": len(items),
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[len(times) * 99 // 100],
        "load_s": loaded,
        "stopped": stopped / QUESTIONS,
    }


def _once(bank: Bank, pattern: Pattern) -> float:
    started = time.perf_counter()
    bank.consult(pattern)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    policy = load_config().policy.bank
    rows = [_measure(size, policy) for size in SIZES]
    base = rows[0]
    print("Bank consult: time by size of the bank; ratios to the first line")
    print("   items   p50 ms  ratio   p99 ms  ratio   load s  ratio per item  stopped")
    for row in rows:
        per_item = row["load_s"] / row["items"] / (base["load_s"] / base["items"])
        print(
            f"{row['items']:>8} {row['p50_ms']:>8.3f} {row['p50_ms'] / base['p50_ms']:>6.2f} "
            f"{row['p99_ms']:>8.3f} {row['p99_ms'] / base['p99_ms']:>6.2f} "
            f"{row['load_s']:>8.2f} {per_item:>15.2f} {row['stopped']:>8.0%}"
        )


if __name__ == "__main__":
    main()
