"""When requests reached the twins' doors. Owns: one line for each of the last requests.

What a breaker or a rate limit really let through is told here, by the side that was asked. Memory
is bounded: arrays of numbers, and the oldest line makes room for the newest (14 bytes each).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

KEPT = 500_000
_KEPT_SECONDS = 200_000  # per vendor: two days in which every second has a request
_CLOCK_STEP_S = 60.0  # lines are in order of arrival unless the clock was set back: by less

Line = tuple[float, str, str, str, int]  # epoch seconds, vendor, method, template, status


class Arrivals:
    """A ring of the last `kept` requests, and how many came in each second."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._names: dict[tuple[str, str, str], int] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._at = array("d")
        self._endpoint = array("I")
        self._status = array("H")
        self._oldest = 0  # place of the oldest line, once the ring is full
        self._seconds: dict[str, dict[int, int]] = {}

    def add(self, at: float, vendor: str, method: str, template: str, status: int) -> None:
        """Note one request that arrived at `at` (epoch seconds)."""
        name = (vendor, method, template)
        endpoint = self._names.get(name)
        if endpoint is None:
            endpoint = self._names[name] = len(self._names)
        if len(self._at) < self._kept:
            self._at.append(at)
            self._endpoint.append(endpoint)
            self._status.append(status)
        else:
            place = self._oldest
            self._at[place], self._endpoint[place], self._status[place] = at, endpoint, status
            self._oldest = (place + 1) % self._kept
        seconds = self._seconds.setdefault(vendor, {})
        second = int(at)
        if second in seconds:
            seconds[second] += 1
            return
        seconds[second] = 1
        if len(seconds) > _KEPT_SECONDS:
            del seconds[next(iter(seconds))]

    def lines(self, vendor: str | None = None, since: float = 0.0) -> list[Line]:
        """The kept lines in order of arrival; `since` and later, of one vendor or of all."""
        names = list(self._names)
        found: list[Line] = []
        for place in self._newest_first():
            at, name = self._at[place], names[self._endpoint[place]]
            if at < since - _CLOCK_STEP_S:
                break
            if at >= since and vendor in (None, name[0]):
                found.append((round(at, 3), *name, self._status[place]))
        found.reverse()
        return found

    def per_second(self) -> dict[str, list[tuple[int, int]]]:
        """Vendor to `(epoch second, requests)` in order; seconds without a request are absent."""
        return {vendor: sorted(seconds.items()) for vendor, seconds in self._seconds.items()}

    def _newest_first(self) -> Iterator[int]:
        yield from reversed(range(self._oldest))
        yield from reversed(range(self._oldest, len(self._at)))
