"""What the twins were asked. Owns: counts by vendor, endpoint, kind and status; the writes.

Counted in memory by the process that answers, never derived from a log. A request that no
endpoint matches is counted as a write unless it is a GET: what nobody foresaw must be seen.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, TypedDict

Kind = Literal[
    "read",
    "paid_read",
    "write",
    "tell",  # a message to our own team: no lead and no CRM ever sees it
    "remember",  # into the swarm's own long-term memory
]
KINDS: tuple[Kind, ...] = ("read", "paid_read", "write")
_KEPT_WRITES = 10_000


class WriteSeen(TypedDict):
    """One write request, whether it was accepted or refused."""

    vendor: str
    method: str
    path: str  # as it was asked, below the vendor's base
    status: int


class Counters:
    """Counts of one sandbox since it started or was reset."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, Kind, int]] = Counter()
        self._writes: list[WriteSeen] = []

    def add(
        self, vendor: str, method: str, template: str, kind: Kind, status: int, path: str
    ) -> None:
        """Count one answered request. `template` names the endpoint, `path` the request."""
        self._counts[vendor, method, template, kind, status] += 1
        if kind == "write" and len(self._writes) < _KEPT_WRITES:
            self._writes.append(
                {"vendor": vendor, "method": method, "path": path, "status": status}
            )

    def reset(self) -> None:
        """Forget everything counted."""
        self._counts.clear()
        self._writes.clear()

    def report(self) -> dict[str, Any]:
        """`{total, by_kind, by_vendor, writes}`.

        `by_vendor` maps a vendor to `{total, by_kind, endpoints: [{method, path, kind, status,
        count}]}`; `writes` lists at most 10,000 requests, `by_kind.write` counts all.
        `by_kind` names `tell` and `remember` only where there was one.
        """
        by_kind: dict[str, int] = dict.fromkeys(KINDS, 0)
        by_vendor: dict[str, dict[str, Any]] = {}
        for (vendor, method, path, kind, status), count in sorted(self._counts.items()):
            entry = by_vendor.setdefault(
                vendor, {"total": 0, "by_kind": dict.fromkeys(KINDS, 0), "endpoints": []}
            )
            entry["total"] += count
            entry["by_kind"][kind] = entry["by_kind"].get(kind, 0) + count
            entry["endpoints"].append(
                {"method": method, "path": path, "kind": kind, "status": status, "count": count}
            )
            by_kind[kind] = by_kind.get(kind, 0) + count
        return {
            "total": sum(by_kind.values()),
            "by_kind": by_kind,
            "by_vendor": by_vendor,
            "writes": list(self._writes),
        }
