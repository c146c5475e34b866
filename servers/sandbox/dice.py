"""Chance that always falls the same way. Owns: choices derived from a seed and a name.

Not `random`: a fresh generator per company or person would cost more than the whole answer, and
the same parts must give the same choice on every machine and Python version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_BYTES = 64


def fingerprint(*parts: object) -> str:
    """64 hex digits that depend on every part and their order. Source of every invented id."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def invented_uuid(*parts: object) -> str:
    """A UUID-shaped id (version 4 layout) derived from the parts."""
    h = fingerprint("uuid", *parts)
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:32]}"


class Dice:
    """A short stream of seeded choices about one thing; two dice of equal parts agree."""

    __slots__ = ("_at", "_block", "_text")

    def __init__(self, *parts: object) -> None:
        self._text = "\x1f".join(str(part) for part in parts)
        self._block = b""
        self._at = 0

    def number(self, below: int) -> int:
        """0 <= number < below."""
        start = self._at % _BYTES
        if start == 0:
            salted = f"{self._at // _BYTES}\x1f{self._text}"
            self._block = hashlib.blake2b(salted.encode(), digest_size=_BYTES).digest()
        self._at += 4
        return int.from_bytes(self._block[start : start + 4], "big") % below

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 cases."""
        return self.number(100) < percent

    def between(self, low: int, high: int) -> int:
        """low <= number <= high."""
        return low + self.number(high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely."""
        return options[self.number(len(options))]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One of the options, as likely as its weight."""
        at = self.number(sum(weight for _, weight in options))
        for option, weight in options:
            if at < weight:
                return option
            at -= weight
        raise AssertionError("weights add up to more than was drawn")

    def some(self, options: Sequence[T], count: int) -> tuple[T, ...]:
        """`count` different options in drawn order (all of them when there are fewer)."""
        left = list(options)
        return tuple(left.pop(self.number(len(left))) for _ in range(min(count, len(left))))
