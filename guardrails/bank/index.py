"""The bank in memory. Owns: finding everything about one question without a scan.

Hard rules by exact key; outcomes summed per back-off level, weighted by age as of one instant
(exponential decay keeps sums of equal half-life in proportion); golden items by structure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from guardrails.bank.fold import NEVER, Trial, trials
from guardrails.bank.models import Item, Match, Pattern
from guardrails.bank.slices import (
    LEVELS,
    BankSlice,
    Cited,
    DecayedSum,
    GoldenSlice,
    LevelKey,
    LevelSlice,
    OwnScope,
    cite,
    level_keys,
    own_scope,
)
from guardrails.config.models import BankPolicy

_LIKENESSES = 64  # structures compared per level; the most successful ones
_MANY_EVENTS = 32  # from here an item's citation is prepared on loading, not when asked
_NOTHING = 1e-9  # what is left of a sum minus itself
_DAY_S = 86_400.0
HardKey = tuple[str, str, str]
Structure = frozenset[tuple[str, str]]


def similarity(golden: Structure, features: Structure) -> float:
    """Share of the golden item's structure that the draft has, 0 to 1."""
    return len(golden & features) / len(golden) if golden else 0.0


class _Level:
    """Sums of one level, and which item failed last under its two latest children."""

    __slots__ = ("latest", "sums")

    def __init__(self) -> None:
        self.sums: dict[float, tuple[float, float]] = {}
        self.latest: list[tuple[datetime, LevelKey, Item]] = []

    def add(self, half_life: float, failures: float, weight: float) -> None:
        k, n = self.sums.get(half_life, (0.0, 0.0))
        self.sums[half_life] = (k + failures, n + weight)

    def note(self, failed_at: datetime, child: LevelKey, item: Item) -> None:
        """Remember the newest failure of each of two children: one of them is not the asker's."""
        same = next((entry for entry in self.latest if entry[1] == child), None)
        if same is not None:
            if (failed_at, item.id) <= (same[0], same[2].id):
                return
            self.latest.remove(same)
        self.latest.append((failed_at, child, item))
        self.latest.sort(key=lambda entry: (entry[0], entry[2].id), reverse=True)
        del self.latest[2:]

    def apart_from(self, child: LevelKey) -> Item | None:
        """The item that failed last outside `child`."""
        return next((item for _, key, item in self.latest if key != child), None)


class Index:
    """Everything needed to answer, keyed. Immutable after construction.

    Args:
        items: the bank's items.
        policy: gives the half-life of items that state none.
        as_of: the instant the sums refer to; outcomes dated later weigh as if dated then.
    """

    def __init__(self, items: Iterable[Item], policy: BankPolicy, as_of: datetime) -> None:
        self._policy = policy
        self._as_of = as_of
        self._hard: dict[HardKey, Item] = {}
        self._levels: dict[LevelKey, _Level] = {}
        self._own: dict[LevelKey, Item] = {}
        self._golden: dict[LevelKey, dict[Structure, Item]] = {}
        self._cited: dict[str, Cited] = {}
        self._own_scope: dict[str, OwnScope] = {}
        for item in items:
            if item.status in ("active", "candidate"):
                self._take(item)
                if len(item.evidence) >= _MANY_EVENTS:
                    self._cite(item)
                    self._own_scope_of(item)
        for key, known in self._golden.items():
            self._golden[key] = dict(sorted(known.items(), key=lambda e: (-e[1].beta, e[1].id)))

    def slice_for(self, pattern: Pattern, bank_version: str) -> BankSlice:
        """Everything the bank holds about `pattern`."""
        keys = level_keys(pattern.scope)
        own = self._own.get(keys[0])
        return BankSlice.model_construct(
            slice_version=1,
            bank_version=bank_version,
            as_of=self._as_of,
            hard=tuple(self._cite(item) for item in self._hard_rules(pattern)),
            levels=self._slices(keys),
            own=self._own_scope_of(own) if own else OwnScope(),
            golden=self._likest(pattern),
        )

    def _cite(self, item: Item) -> Cited:
        if item.id not in self._cited:
            self._cited[item.id] = cite(item)
        return self._cited[item.id]

    def _own_scope_of(self, item: Item) -> OwnScope:
        if item.id not in self._own_scope:
            self._own_scope[item.id] = own_scope(item)
        return self._own_scope[item.id]

    def _take(self, item: Item) -> None:
        if item.kind == "hard_rule":
            self._hard[_hard_key(item.match)] = item
            return
        keys = level_keys(item.scope)
        half_life = item.half_life_days or self._policy.half_life_days
        tally = trials(item.evidence)
        failures, weight = self._weigh(tally, half_life)
        if weight > 0:
            for key in keys:
                self._levels.setdefault(key, _Level()).add(half_life, failures, weight)
        if item.kind == "golden":
            self._take_golden(item)
            return
        self._own[keys[0]] = item
        failed_at = max((trial.at for trial in tally if trial.failed), default=NEVER)
        if failed_at != NEVER and weight > 0:  # so old that nothing is left: no level has it
            for child, key in pairwise(keys):
                self._levels[key].note(failed_at, child, item)

    def _take_golden(self, item: Item) -> None:
        structure = frozenset(item.match.features.items())
        for key in _golden_keys(item):
            known = self._golden.setdefault(key, {})
            best = known.get(structure)
            if best is None or (-item.beta, item.id) < (-best.beta, best.id):
                known[structure] = item

    def _weigh(self, tally: list[Trial], half_life: float) -> tuple[float, float]:
        failures = weight = 0.0
        for trial in tally:
            age_days = max(0.0, (self._as_of - trial.at).total_seconds() / _DAY_S)
            left = trial.weight * 0.5 ** (age_days / half_life)
            weight += left
            failures += left if trial.failed else 0.0
        return failures, weight

    def _hard_rules(self, pattern: Pattern) -> list[Item]:
        template = pattern.template_hash or ""
        asked: list[HardKey] = []
        for lead in filter(None, (pattern.lead_id, *pattern.also_known_as)):
            asked += [("opt_out", lead, ""), ("competitor", lead, "")]
            if template:
                asked.append(("resend", lead, template))
        if pattern.content_hash:
            asked.append(("content", pattern.content_hash, ""))
        return [self._hard[key] for key in asked if key in self._hard]

    def _slices(self, keys: tuple[LevelKey, ...]) -> tuple[LevelSlice, ...]:
        slices = []
        inner: dict[float, tuple[float, float]] = {}
        for position, (name, key) in enumerate(zip(LEVELS, keys, strict=True)):
            level = self._levels.get(key)
            item = self._own.get(key) if position == 0 else None
            if position > 0 and level is not None:
                item = level.apart_from(keys[position - 1])
            outer = level.sums if level is not None else {}
            slices.append(
                LevelSlice.model_construct(
                    level=name,
                    sums=_difference(outer, inner),
                    cited=self._cite(item) if item else None,
                )
            )
            inner = outer
        return tuple(slices)

    def _likest(self, pattern: Pattern) -> tuple[GoldenSlice, ...]:
        structure = frozenset(pattern.features.items())
        found = []
        for name, key in zip(LEVELS, _golden_keys(pattern), strict=True):
            best = _closest(self._golden.get(key, {}), structure)
            if best is not None:
                found.append(
                    GoldenSlice.model_construct(
                        level=name, cited=self._cite(best), features=dict(best.match.features)
                    )
                )
        return tuple(found)


def _closest(known: dict[Structure, Item], structure: Structure) -> Item | None:
    if structure in known:
        return known[structure]
    best, likeness = None, -1.0
    for position, (candidate, item) in enumerate(known.items()):
        if position == _LIKENESSES:
            break
        found = similarity(candidate, structure)
        if found > likeness:
            best, likeness = item, found
    return best


def _difference(
    outer: dict[float, tuple[float, float]], inner: dict[float, tuple[float, float]]
) -> tuple[DecayedSum, ...]:
    sums = []
    for half_life, (k, n) in sorted(outer.items()):
        inner_k, inner_n = inner.get(half_life, (0.0, 0.0))
        if n - inner_n > _NOTHING:
            failures = k - inner_k if k - inner_k > _NOTHING else 0.0
            sums.append(
                DecayedSum.model_construct(
                    half_life_days=half_life, failures=failures, trials=n - inner_n
                )
            )
    return tuple(sums)


def _golden_keys(of: Item | Pattern) -> tuple[LevelKey, ...]:
    keys = level_keys(of.scope)
    return (*keys[:-1], ("g", of.scope.channel, of.scope.step))


def _hard_key(match: Match) -> HardKey:
    if match.rule == "content":
        return ("content", match.content_hash or "", "")
    return (match.rule or "", match.lead_id or "", match.template_hash or "")
