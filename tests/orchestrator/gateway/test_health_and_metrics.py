"""What the gateway says of itself: to whoever watches it, and nothing about people."""

import shutil

import pytest
from sqlalchemy import insert, text

from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.people_tables import approvals, slack_messages
from tests.conftest import SteppableClock
from tests.orchestrator.gateway.house import RB2B, VISITOR, house

pytestmark = pytest.mark.anyio
SHOWN = [("new", 0), ("posted", 1), ("posted", 2), ("failed", 0)]
STAMP = "2026-03-10T14:00:00.000000Z"


async def test_it_is_ready_when_what_it_needs_is_there_and_says_what_is_not(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    async with house(hive, store, clock) as door:
        ready = await door.client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        store.close()
        again = await door.client.get("/readyz")
        assert again.json() == ready.json()  # asked again within the second, nobody is bothered
        clock.step(1)
        without = await door.client.get("/readyz")
        assert without.status_code == 503
        assert without.json()["checks"]["database"]["ok"] is False
        assert without.json()["checks"]["hive"]["ok"] is True
        shutil.rmtree(hive.path)
        clock.step(1)
        nothing = (await door.client.get("/readyz")).json()["checks"]
        assert [name for name, check in nothing.items() if not check["ok"]] == ["database", "hive"]
        alive = await door.client.get("/healthz")
        assert (alive.status_code, alive.text) == (200, "ok\n")


async def test_the_numbers_are_those_of_what_waits_and_of_what_was_answered(
    hive: Hive, store: Store, clock: SteppableClock
) -> None:
    waiting = {
        "approval_id": "AP-1", "decision_audit_id": "A-1", "lead_id": "L-1", "run_id": "R-1",
        "row": 1, "state": "waiting", "verdict": "pass", "segment": "law", "tier": 1,
        "first_of_segment": False, "content_hash": "c", "requested_at": STAMP, "due_at": STAMP,
        "expires_at": STAMP, "updated_at": STAMP,
    }  # fmt: skip
    messages = [
        {"message_id": f"notice:{n}", "kind": "notice", "state": state, "wanted": 2, "shown": shown,
         "attempts": 0, "created_at": STAMP, "updated_at": STAMP}
        for n, (state, shown) in enumerate(SHOWN)
    ]  # fmt: skip
    with store.transaction() as conn:
        conn.execute(insert(approvals), [waiting])
        conn.execute(insert(slack_messages), messages)
    async with house(hive, store, clock) as door:
        await door.client.post(RB2B, json=VISITOR)
        await door.client.post(RB2B, content="junk")
        await door.client.post("/webhooks/rb2b/guessed-secret", json=VISITOR)
        shown = (await door.client.get("/metrics")).text
    for line in (
        'swarm_gateway_requests_total{route="rb2b",status="200"} 2.0',
        'swarm_gateway_requests_total{route="rb2b",status="404"} 1.0',
        'swarm_gateway_accept_seconds_count{route="rb2b"} 2.0',
        'swarm_inbox_depth{source="rb2b",state="new"} 1.0',
        'swarm_inbox_depth{source="rb2b",state="junk"} 1.0',
        "swarm_approvals_waiting 1.0",
        "swarm_slack_outbox_depth 2.0",
        "swarm_inbox_spool_bytes 0.0",
        "swarm_database_up 1.0",
    ):
        assert line in shown.splitlines()
    for word in ("guessed-secret", "firm.example", "ana", "sandbox-rb2b"):
        assert word not in shown


async def test_a_database_that_cannot_be_read_shows_as_such_and_not_as_zero(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    async with house(hive, sqlite_store, clock) as door:
        await door.client.get("/metrics")
        with sqlite_store.transaction() as conn:
            conn.execute(text("DROP TABLE inbox"))
        clock.step(60)
        shown = (await door.client.get("/metrics")).text
    assert "swarm_database_up 0.0" in shown
    assert "swarm_approvals_waiting NaN" in shown
    assert "swarm_inbox_depth{" not in shown
