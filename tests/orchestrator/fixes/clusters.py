"""Clusters of failures as the vendors' own texts make them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guardrails.brakes.failures import Cluster, FailureKind, signature_of


def cluster(kind: FailureKind, detail: str, **facts: Any) -> Cluster:
    """A cluster of ten failures of three leads, unless said otherwise."""
    made = Cluster(
        signature="", kind=kind, vendor="ghl", server="ghl", operation="search_contacts",
        status=None, count=10, leads=3, lead_ids=("L-1", "L-2", "L-3"),
        first_seen="2026-03-10T13:00:00.000000Z", last_seen="2026-03-10T13:30:00.000000Z",
        per_hour=20.0, cost_micros=0, details=(detail,), failure_ids=("X-1", "X-2"), injected=0,
    )  # fmt: skip
    made = replace(made, **facts)
    mark = signature_of(
        made.kind, server=made.server, vendor=made.vendor, operation=made.operation,
        status=made.status, detail=detail,
    )  # fmt: skip
    return replace(made, signature=mark)
