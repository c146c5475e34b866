"""Webhooks go on arriving while the real queen is killed: no visitor lost, none decided twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

from servers.common.contract_sandbox import RB2B_WEBHOOK_SECRET
from servers.sandbox.leads import lead_rows
from tests.processes.assisted import Up, up, visit
from tests.processes.swarm import swarm

pytestmark = [
    pytest.mark.processes, pytest.mark.kill, pytest.mark.long, pytest.mark.timeout(1500),
]  # fmt: skip
PEOPLE, KILLS, SEED = 3_334, 4, 11


def people() -> list[dict[str, object]]:
    """One visit of each of so many different people, as RB2B tells it."""
    rows = {row["Email"]: row for row in lead_rows(3 * PEOPLE, 23) if "@" in row["Email"]}
    chosen = list(rows.values())[:PEOPLE]
    filled = [row | {"Number of Employees": row["Number of Employees"] or "60"} for row in chosen]
    return [visit(row, number) for number, row in enumerate(filled)]


async def deliver(here: Up, visits: list[dict[str, object]]) -> Counter[int]:
    """Each visit twice, with junk and strangers among them; the queen dies now and then."""
    dice = random.Random(SEED)
    good = f"{here.gateway}/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}"
    wrong = f"{here.gateway}/webhooks/rb2b/not-the-secret-at-all"
    asked = [(good, one) for one in visits] * 2
    asked += [(good, {"junk": number}) for number in range(PEOPLE // 2)]
    asked += [(wrong, one) for one in visits[: PEOPLE // 2]]
    dice.shuffle(asked)
    moments = {len(asked) * (n + 1) // (KILLS + 1) for n in range(KILLS)}
    statuses: Counter[int] = Counter()
    room = asyncio.Semaphore(24)
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:

        async def one(url: str, body: dict[str, object]) -> None:
            async with room:
                answer = await client.post(url, json=body)
            if url == good:
                statuses[answer.status_code] += 1

        async with asyncio.TaskGroup() as group:
            for number, (url, body) in enumerate(asked):
                if number in moments:
                    await asyncio.to_thread(kill_queen, here)
                group.create_task(one(url, body))
                await asyncio.sleep(0.004)
    return statuses


def kill_queen(here: Up) -> None:
    for child in psutil.Process(here.process.pid).children():
        if "queen" in child.cmdline():
            child.kill()
            child.wait(10)


def test_while_the_queen_is_killed_every_visitor_is_decided_about_once(tmp_path: Path) -> None:
    visits = people()
    with up(tmp_path, mode="shadow") as here:
        statuses = asyncio.run(deliver(here, visits))
        assert set(statuses) == {200}
        here.patience_s = 900
        new = "SELECT id FROM inbox WHERE state = 'new'"
        here.until("an empty inbox", lambda: not here.query(new))
        undecided = "SELECT row FROM run_items WHERE state IS NULL"
        here.until("the decisions", lambda: not here.query(undecided))
        found = here.query("SELECT lead_id FROM run_items")
        noted = here.query("SELECT note FROM inbox WHERE source = 'rb2b' AND state = 'done'")
        in_hand = [row for row in noted if row["note"].startswith("in hand")]
        assert len(noted) == len(visits)
        assert len(found) + len(in_hand) == len(visits)
        assert max(Counter(row["lead_id"] for row in found).values()) == 1
        code, verified = swarm(here.hive, "audit", "verify")
        assert (code, verified["ok"]) == (0, True)
