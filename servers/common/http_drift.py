"""An answer of another form than documented. Owns: what is told of it, and names that have moved.

Told are places, types and the names of fields, never a value: enough for a person, or for
Auto-Fix, to see which field was renamed. Refuses names that are not printable or far too long;
they come from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel

_NAMES = 12
_NAME_CHARS = 40
_DEEPEST = 20
_MISSING = "missing"


@dataclass(frozen=True)
class Drift:
    """One deviation.

    Args:
        place: path in the answer, list positions as numbers; "" for its top.
        field: the documented field.
        problem: `missing`, or pydantic's name for the wrong type.
        present: names found beside it that we do not know, the most similar first.
    """

    operation: str
    status: int
    place: str
    field: str
    problem: str
    present: tuple[str, ...]

    @property
    def detail(self) -> str:
        """`field contact.id: missing; beside it: contactId, zip` (read by Auto-Fix)."""
        where = f"{self.place}.{self.field}" if self.place else self.field
        beside = ", ".join(self.present) or "nothing unknown"
        return f"field {where}: {self.problem}; beside it: {beside}"


Note = Callable[[Drift], None]


def renamed(value: Any, names: Mapping[str, str], depth: int = 0) -> Any:
    """A copy of a parsed document in which fields called by a new name have the one we know.

    A field that has its known name keeps it: the alias counts only where that is absent.
    """
    if depth > _DEEPEST:
        return value
    if isinstance(value, list):
        return [renamed(item, names, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, item in value.items():
        known = names.get(name)
        free = known is not None and known not in value and known not in found
        found[known if known is not None and free else name] = renamed(item, names, depth + 1)
    return found


def fields_of(model: type[BaseModel]) -> frozenset[str]:
    """Names by which a model's fields stand in an answer."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def beside(value: Any, field: str, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Names in `value` that we do not know, the most similar to `field` first, at most 12."""
    if not isinstance(value, dict):
        return ()
    unknown = sorted(set(map(_printable, value)) - set(known) - {""})
    wanted = field.lower()

    def unlike(name: str) -> tuple[bool, float]:
        low = name.lower()
        return not low.endswith(wanted), -SequenceMatcher(None, wanted, low).ratio()

    return tuple(sorted(unknown, key=unlike)[:_NAMES])


def at(value: Any, path: Iterable[str | int]) -> Any:
    """The part of a document at `path`; None when it is not there."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def problem_of(kind: str) -> str:
    """pydantic's error type as told: `missing` or e.g. `string_type`."""
    return kind if kind.isidentifier() else _MISSING


def _printable(name: Any) -> str:
    fit = isinstance(name, str) and name.isprintable() and len(name) <= _NAME_CHARS
    return name if fit and "@" not in name and "," not in name else ""
