"""The reasoning bank, open. Owns: what is in memory, when it is read again, and learning.

Readers look at the file's signature at every consult and read it again when it changed. Refuses:
to answer from memory once the file is missing or unreadable (P6), to learn from events dated in
the future, to make a new bank where one was lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from guardrails.bank.consult import consult_slice
from guardrails.bank.erase import events_of, without_words
from guardrails.bank.file import (
    Lines,
    Signature,
    backup_of,
    collector_paused,
    exclusive,
    keep_as_backup,
    read_document,
    signature_of,
    write_document,
)
from guardrails.bank.fold import absorb, fold, key_of, merge
from guardrails.bank.golden import golden_changes, golden_events
from guardrails.bank.index import Index
from guardrails.bank.models import Deed, Event, Item, ItemAction, Lesson, Pattern, Version
from guardrails.bank.seed import SeedLesson
from guardrails.bank.slices import BankSlice
from guardrails.clock import Clock
from guardrails.config.loader import describe as describe_problems
from guardrails.config.models import BankPolicy, GoldenSet
from guardrails.errors import BadInput, BankUnreadable, NotFound
from guardrails.model import BankAnswer

_Change = Callable[[Mapping[str, Item]], dict[str, Item]]
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class _State:
    """One version of the file, read; swapped as a whole."""

    signature: Signature
    version: Version
    items: Mapping[str, Item]
    policy: BankPolicy
    as_of: datetime

    @cached_property
    def index(self) -> Index:
        """Made at the first question: whoever only learns needs none."""
        with collector_paused():
            return Index(self.items.values(), self.policy, self.as_of)


class Bank:
    """The bank at one path. Safe to consult from several threads; learning takes the file lock.

    Raises, in every method that reads:
        BankUnreadable: the file is missing, torn, altered or of an unknown schema, until mended.
    """

    def __init__(self, path: Path, policy: BankPolicy, clock: Clock) -> None:
        self._path = path
        self._policy = policy
        self._clock = clock
        self._state: _State | None = None
        self._lines = Lines()
        self._bad: tuple[Signature, BankUnreadable] | None = None

    @classmethod
    def open(cls, path: Path, policy: BankPolicy, clock: Clock) -> Bank:
        """Read the bank at `path`.

        Raises:
            BankUnreadable: there is none, or it cannot be trusted.
        """
        bank = cls(path, policy, clock)
        bank._current()
        return bank

    @property
    def version(self) -> str:
        """Counter and digest of the present version, e.g. `7+1f0c9a33b2d4`."""
        return str(self._current().version)

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self._current().items)

    @property
    def policy(self) -> BankPolicy:
        """The statistics in force."""
        return self._policy

    def items(self) -> tuple[Item, ...]:
        """All items, sorted by id."""
        return tuple(self._current().items.values())

    def consult(self, pattern: Pattern, now: datetime | None = None) -> BankAnswer:
        """Have we failed with this before, and does it match a success? `now` is the clock's."""
        return consult_slice(self.slice_for(pattern), pattern, self._policy, now or self._clock())

    def evidence_for(self, pattern: Pattern) -> dict[str, Any]:
        """What `consult` would read, as JSON: `consult_slice` answers from it alone."""
        return self.slice_for(pattern).model_dump(mode="json")

    def slice_for(self, pattern: Pattern) -> BankSlice:
        """What `consult` would read."""
        state = self._current()
        return state.index.slice_for(pattern, str(state.version))

    def learn(self, *lessons: Event) -> tuple[str, ...]:
        """Fold lessons, or other events, in, in one write. Known ones change nothing. Returns the
        touched ids.

        Raises:
            BadInput: a lesson is dated in the future; nothing was learned.
        """
        return self.learn_from(lambda: lessons)

    def learn_from(self, read: Callable[[], Sequence[Event]]) -> tuple[str, ...]:
        """`learn` what `read` gives, read when nobody else can write the bank: where words are
        erased at their source first and here afterwards, none of them comes back.
        """

        def change(items: Mapping[str, Item]) -> dict[str, Item]:
            lessons, latest = read(), self._clock() + CLOCK_SKEW
            for lesson in lessons:
                if lesson.at > latest:
                    raise BadInput(f"lesson {lesson.event_id} is dated in the future ({lesson.at})")
            return absorb(items, lessons)

        return self._rewrite(change)

    def act(self, item_id: str, action: Deed, *, event_id: str, actor: str, text: str) -> Item:
        """A person promotes, retires or releases (one probe) an item. Returns it as it is now.

        Raises:
            NotFound: no such item.
        """
        if item_id not in self._current().items:
            raise NotFound(f"no item {item_id} in the reasoning bank", remedy="swarm bank show")
        key = key_of(self._current().items[item_id])
        event = ItemAction(
            event_id=event_id, at=self._clock(), action=action, actor=actor, text=text, key=key
        )
        self._rewrite(lambda items: absorb(items, (event,)))
        return self._current().items[item_id]

    def absorb_bank(self, items: Iterable[Item]) -> tuple[str, ...]:
        """Merge another machine's items. Returns the ids that changed here."""
        theirs = {item.id: item for item in items}
        return self._rewrite(lambda mine: merge(mine, theirs))

    def erase_words(self, event_ids: Collection[str], lead_id: str, names: re.Pattern[str]) -> int:
        """Take a person's words out, here and in the backup. Gives how many items changed.

        Args:
            event_ids: lessons about this person's e-mails; those that the bank's own rules about
                `lead_id` rest on are added.
            names: what is erased from every other event's words.
        """
        own = events_of(self._current().items, lead_id)
        touched = self._rewrite(lambda items: without_words(items, {*event_ids, *own}, names))
        with exclusive(self._path):
            keep_as_backup(self._path)
        return len(touched)

    def sync_golden(self, golden: GoldenSet) -> tuple[str, ...]:
        """Bring the golden items in line with the configuration. Returns the ids that changed."""
        now = self._clock()
        return self._rewrite(
            lambda items: absorb(items, golden_changes(golden, items.values(), now))
        )

    def _rewrite(self, change: _Change) -> tuple[str, ...]:
        with exclusive(self._path):
            state = self._current()
            items = change(state.items)
            touched = tuple(i for i, item in items.items() if _differs(state.items.get(i), item))
            if touched:
                counter = state.version.counter + 1
                version, signature = write_document(
                    self._path, items.values(), counter, self._lines
                )
                self._take(signature, version, items)
            return touched

    def _current(self) -> _State:
        """The file's present content, read again when it changed.

        A failed reading is remembered under its signature, so that a torn file is refused
        cheaply until somebody mends it.
        """
        signature = signature_of(self._path)
        state = self._state
        if state is not None and state.signature == signature:
            return state
        if self._bad is not None and self._bad[0] == signature:
            raise BankUnreadable(self._bad[1].message, remedy=self._bad[1].remedy)
        with collector_paused():
            try:
                document, read_under = read_document(self._path)
            except BankUnreadable as error:
                self._bad = (signature, error)
                raise
            items = {item.id: item for item in document.items}
            return self._take(read_under, document.version, items)

    def _take(self, signature: Signature, version: Version, items: Mapping[str, Item]) -> _State:
        state = _State(signature, version, items, self._policy, self._clock())
        self._state, self._bad = state, None
        return state


def _differs(former: Item | None, item: Item) -> bool:
    return former is not item and former != item  # most are the same object: no comparison


def create_bank(
    path: Path, golden: GoldenSet, seed_lessons: Iterable[SeedLesson | Lesson] = (), *, clock: Clock
) -> Version:
    """Make the first bank of a hive, from the golden set and seed lessons.

    Seed lessons are dated back from the clock's present. The directory must exist.

    Raises:
        BadInput: a bank, or a lost bank's backup, is there already; it is never overwritten.
    """
    now = clock()
    with exclusive(path):
        if path.exists() or backup_of(path).exists():
            raise BadInput(
                f"{path.name} or its backup is there already; a new bank would forget",
                remedy=f"Use it; if only {backup_of(path).name} is left, copy it to {path.name}.",
            )
        lessons = (s.resolve(now) if isinstance(s, SeedLesson) else s for s in seed_lessons)
        events: list[Event] = [*golden_events(golden, now), *lessons]
        version, _ = write_document(path, fold(events).values(), counter=1)
    return version


def parse_lesson(data: Mapping[str, Any]) -> Lesson:
    """A lesson from JSON-like data.

    Raises:
        BadInput: names the field and what is allowed; silence, opens and clicks are refused.
    """
    try:
        return Lesson.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"not a lesson: {describe_problems(error)}") from error
