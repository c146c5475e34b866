"""From a click in Slack to its e-mail queued: against the two syncs that it cannot do without.

Ours takes the verified payload, finds the approval, records the person's word (fsync) and commits
the end of the approval with the queued delivery, before the answer to the person is written. The
floor appends one line with fsync and commits one row, and nothing else. Slack itself is not in it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench.common import scratch, show
from guardrails import approval_rows as rows
from guardrails.approval_model import Approval
from guardrails.approvals import Approvals
from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.model import Verdict
from guardrails.store import Store, open_store
from orchestrator.approvals.case import Cases
from orchestrator.delivery_rows import queue_approved
from orchestrator.slack.cards import APPROVE, button_value
from orchestrator.slack.client import Slack
from orchestrator.slack.desk import Desk
from orchestrator.slack.interactions import Interactions
from orchestrator.slack.settings import SlackSettings

CLICKS = 300
AT_ONCE = 100
PEOPLE = ("U0ANA01", "U0BEN02", "U0EVA03", "U0CAI04", "U0DEA05")
SETTINGS = SlackSettings(
    bot_token="unused", channel_id="C0BENCH", app_id="A0BENCH", team_id="T0BENCH",
    base_url="http://127.0.0.1:9",
)  # fmt: skip


class Mute(Slack):
    """Notes when an answer would be written: what was decided is durable then."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)
        self.answered: list[float] = []

    async def whisper(self, channel: str, user_id: str, text: str) -> None:
        self.answered.append(time.perf_counter())


class Office:
    """Approvals over a hive on disk, and clicks on them."""

    def __init__(self, hive: Hive, store: Store, audit: AuditLog) -> None:
        self.config = load_config(None)
        people = ApproverList.of(self.config.approvers, PEOPLE, hive.salt())
        stop = StopSwitch(hive, store)
        self.approvals = Approvals(store, audit, stop, people, utc_now, queue_approved)
        self.store = store
        self.slack = Mute()
        desk = Desk(store, self.approvals, Cases(audit, store), utc_now)
        self.interactions = Interactions(
            SETTINGS, self.slack, self.approvals, desk, _nothing, lambda: None
        )

    async def waits(self, number: int) -> Approval:
        """A draft that waits for a person."""
        asked = rows.Asked(
            decision_audit_id=f"A-{number}", lead_id=f"L-{number}", run_id="bench", row=number,
            verdict=Verdict.PASS, segment="agency", tier=1, content_hash=f"{number:064x}",
        )  # fmt: skip
        rules, now = self.config.production.approvals, utc_now()
        made = await self.store.run(lambda conn: rows.request(conn, asked, rules, now))
        found = await self.approvals.get(made)
        assert found is not None
        return found


def _nothing() -> Awaitable[None]:
    return asyncio.sleep(0)


@contextmanager
def office(directory: Path) -> Iterator[Office]:
    """Everything open."""
    hive = Hive.open(directory / "hive", sandbox=True)
    store = open_store(hive)
    audit = AuditLog(hive, store, utc_now)
    opened = Office(hive, store, audit)
    try:
        yield opened
    finally:
        opened.slack.close()
        audit.close()
        store.close()


def click(approval: Approval, user: str) -> Mapping[str, Any]:
    """What Slack sends, as far as it is looked at."""
    button = {"action_id": APPROVE, "value": button_value(approval)}
    return {
        "type": "block_actions", "api_app_id": SETTINGS.app_id, "trigger_id": "1.2.3",
        "team": {"id": SETTINGS.team_id}, "user": {"id": user, "team_id": SETTINGS.team_id},
        "container": {"channel_id": SETTINGS.channel_id, "message_ts": "1.1"},
        "message": {"text": "E-mail to Ana — waits"}, "actions": [button],
    }  # fmt: skip


async def _alone(at: Office) -> list[float]:
    """Seconds from each click to its e-mail queued."""
    took = []
    for number in range(CLICKS):
        payload = click(await at.waits(number), PEOPLE[number % len(PEOPLE)])
        started = time.perf_counter()
        await at.interactions.handle(payload)
        await at.interactions.drain()
        took.append(at.slack.answered[-1] - started)
    return took


async def _crowd(at: Office) -> float:
    """Seconds until all of many clicks on one card are answered."""
    approval = await at.waits(CLICKS)
    payloads = [click(approval, PEOPLE[number % len(PEOPLE)]) for number in range(AT_ONCE)]
    at.slack.answered.clear()
    started = time.perf_counter()
    await asyncio.gather(*map(at.interactions.handle, payloads))
    await at.interactions.drain()
    return at.slack.answered[-1] - started


def _floor(at: Office, directory: Path) -> list[float]:
    """Seconds of one durable line and one durable row."""
    took = []
    with at.store.transaction() as conn:
        conn.execute(text("CREATE TABLE floor (id INTEGER PRIMARY KEY, what TEXT)"))
    descriptor = os.open(directory / "floor.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(CLICKS):
        started = time.perf_counter()
        os.write(descriptor, b"x" * 700 + b"\n")
        os.fsync(descriptor)
        with at.store.transaction() as conn:
            conn.execute(text("INSERT INTO floor VALUES (:n, 'x')"), {"n": number})
        took.append(time.perf_counter() - started)
    os.close(descriptor)
    return took


def main() -> None:
    """Print the table."""
    with scratch() as directory, office(directory) as at:
        floor = _floor(at, directory)
        ours = asyncio.run(_alone(at))
        crowd = asyncio.run(_crowd(at))
        with at.store.read() as conn:
            queued = conn.execute(text("SELECT count(*) FROM deliveries")).scalar_one()
    if queued != CLICKS + 1:
        raise RuntimeError(f"{queued} e-mails are queued for {CLICKS + 1} cards")
    table = []
    for name, of in (("p50", statistics.median), ("p99", _p99)):
        mine, least = of(ours) * 1000, of(floor) * 1000
        table.append((f"{name}, one at a time", f"{mine:.1f} ms", f"{least:.1f} ms",
                      f"{mine / least:.1f} x"))  # fmt: skip
    table.append((f"{AT_ONCE} clicks on one card, all answered", f"{crowd * 1000:.0f} ms", "", ""))
    show("From a click to its e-mail queued", ("", "ours", "two syncs", "ratio"), table)


def _p99(times: list[float]) -> float:
    return sorted(times)[-max(len(times) // 100, 1)]


if __name__ == "__main__":
    main()
