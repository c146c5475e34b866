"""Which leads a measurement replays: a sandbox's own, and never those of a real hive."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from guardrails.hive import Hive
from guardrails.model import Lead
from guardrails.store import Store, open_store
from guardrails.store.tables import run_items
from orchestrator.fixes.measure import write_leads
from orchestrator.fixes.model import Evidence, Proposal

pytestmark = pytest.mark.anyio
FIX = Proposal(
    id="F-00000001", diagnosis="slow_vendor", subject="ghl read", title="t", text="t",
    evidence=Evidence(
        failures=3, leads=2, lead_ids=("L-1", "L-2"), first_seen="a", last_seen="b", per_hour=1,
        cost_micros=0, injected=0, signatures=("s",), failure_ids=("X-1",), details=("d",),
    ),
    expected="e", created_at="a", changed_at="a",
)  # fmt: skip


def store_with_leads(hive: Hive) -> Store:
    store = open_store(hive)
    with store.transaction() as conn:
        for number in (1, 2, 3):
            email = f"p{number}@firm.example"
            lead = Lead(lead_id=f"L-{number}", dedupe_key=email, row=number, email=email)
            row = {"run_id": "R-1", "row": number, "lead_id": lead.lead_id, "updated_at": "a"}
            conn.execute(run_items.insert(), row | {"lead": lead.model_dump_json()})
    return store


def emails(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row["Email"] for row in csv.DictReader(file)]


async def test_the_failed_leads_of_a_sandbox_are_replayed_and_invented_ones_fill_up(
    hive: Hive, tmp_path: Path
) -> None:
    store = store_with_leads(hive)
    number = await write_leads(FIX, hive, store, 5, tmp_path / "leads.csv")
    store.close()
    found = emails(tmp_path / "leads.csv")
    assert number == len(found) == 5
    assert found[:2] == ["p1@firm.example", "p2@firm.example"]
    assert "p3@firm.example" not in found  # it did not fail


async def test_no_person_of_a_real_hive_is_replayed(tmp_path: Path) -> None:
    real = Hive.open(tmp_path / "real", sandbox=False)
    store = store_with_leads(real)
    assert await write_leads(FIX, real, store, 5, tmp_path / "leads.csv") == 5
    store.close()
    assert not any(email.endswith("@firm.example") for email in emails(tmp_path / "leads.csv"))
