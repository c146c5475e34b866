"""P10: money is reserved before a paid call; sixteen workers and a restart cannot overspend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails.brakes.spend import SpendBook
from guardrails.clock import utc_now
from guardrails.config import config_path
from orchestrator.bootstrap import Swarm, running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.shadow import ShadowRun
from servers.sandbox.leads import write_leads_csv

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
CAP = 500_000


def capped(directory: Path) -> Path:
    """The packaged configuration with a small cap."""
    document: dict[str, Any] = json.loads(config_path("production.json").read_text())
    document["spend"]["daily_cap_micros"] = CAP
    file = directory / "production.json"
    file.write_text(json.dumps(document))
    return file


async def paid_at_the_twins(swarm: Swarm) -> int:
    """What the vendors would bill: every paid request that reached them, at its price."""
    assert swarm.twins is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{swarm.twins.port}/_twin/counts")
    paid = 0
    for vendor, price in (("clay", 100_000), ("rb2b", 20_000)):
        seen = answer.json()["by_vendor"].get(vendor, {"by_kind": {"paid_read": 0}})
        paid += seen["by_kind"]["paid_read"] * price
    return paid


async def run(directory: Path, leads: Path, config: Path) -> tuple[int, int, dict[str, int]]:
    """One run to its end: billed at the twins, held here, states."""
    options = Options(
        hive=directory / "hive", sandbox=True, config_path=config, concurrency=16,
        hunter_roots=(directory,),
    )  # fmt: skip
    async with running_swarm(options, Environment({})) as swarm:
        outcome = await ShadowRun(swarm, leads, None, lambda *_: None).execute(fresh=True)
        billed = await paid_at_the_twins(swarm)
        with swarm.store.read() as conn:
            held = SpendBook(swarm.config.production.spend, utc_now).report(conn)
            query = "SELECT state, COUNT(*) FROM run_items WHERE run_id = :run GROUP BY state"
            states = dict(
                conn.exec_driver_sql(query.replace(":run", "?"), (outcome.run.run_id,)).all()
            )
        total = next(scope.held_micros for scope in held.scopes if scope.scope == "*")
        return billed, total, states


async def test_many_workers_and_a_restart_never_pay_more_than_the_cap(tmp_path: Path) -> None:
    config, leads = capped(tmp_path), tmp_path / "leads.csv"
    write_leads_csv(leads, 20, 5)
    billed, held, states = await run(tmp_path, leads, config)
    assert billed <= held <= CAP
    assert CAP - held < 100_000 + 20_000, "the cap was reached, or the test proves nothing"
    assert states.get("deferred", 0) > 0, "who could not be paid for waits"

    more = tmp_path / "more.csv"
    write_leads_csv(more, 8, 6)
    again, after, _ = await run(tmp_path, more, config)
    assert held + again <= CAP
    assert after <= CAP
