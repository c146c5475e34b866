"""Auto-Fix over real processes: a failure that a patch ends is measured as ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.brakes.failures import FailureTracker
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.store import open_store
from tests.processes.swarm import swarm

pytestmark = pytest.mark.processes


def hive_with(path: Path, kind: str, detail: str) -> Hive:
    """A hive in which this was seen a few times."""
    hive = Hive.open(path, sandbox=True)
    store = open_store(hive)
    tracker = FailureTracker(store, hive, utc_now, "ghl")
    with store.transaction() as conn:
        rows = [
            tracker.row(kind, "search_contacts", detail, vendor="ghl", status=200)  # type: ignore[arg-type]
            for _ in range(3)
        ]
        tracker.insert(conn, rows)
    store.close()
    return hive


@pytest.mark.long
def test_a_renamed_field_fails_leads_before_the_patch_and_none_after(tmp_path: Path) -> None:
    detail = "field contacts: missing; beside it: people, total"
    hive = hive_with(tmp_path / "hive", "schema_drift", detail)
    code, listed = swarm(hive.path, "fixes", "list")
    (fix,) = listed["fixes"]
    assert (code, fix["diagnosis"]) == (1, "renamed_field")

    code, measured = swarm(hive.path, "fixes", "measure", fix["id"])

    assert code == 0, measured
    effect = measured["measured"]
    assert effect["before"]["failures"] > 0
    assert effect["before"]["states"].get("shadow_logged", 0) == 0  # nobody unchecked passes
    assert effect["after"]["failures"] == 0
    assert effect["after"]["states"]["shadow_logged"] > 0
    assert effect["before"]["leads"] == effect["after"]["leads"] > 0
