"""Two machines on one PostgreSQL: one dies with leads in its hands, the other ends them all, once.

The large proof is `make fleet-trials` (tests/fleet/trials.py, docs/evidence/many-machines.md).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from servers.sandbox.leads import lead_rows
from tests.fleet.machines import Fleet, fleet, until
from tests.fleet.postgres import tcp_postgres
from tests.processes.live import TUESDAY, append_rows, known_rows, offset_to, twins

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.timeout(240)]
LEADS, KNOWN, IN_HAND = 26, 10, 6


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One has died with leads in its hands; the other has ended what there was."""
    folder = tmp_path_factory.mktemp("fleet")
    append_rows(folder / "leads.csv", [*known_rows(KNOWN), *lead_rows(LEADS - KNOWN, 5)])
    with (
        tcp_postgres() as postgres,
        twins() as sandbox,
        fleet(folder, postgres, sandbox, 2, offset_to(TUESDAY, 16, 30),
              work={"concurrency": IN_HAND}) as machines,
    ):  # fmt: skip
        first, second = machines.machines
        sandbox.behave(vendor_latency_ms={"ghl": 150.0, "instantly": 150.0, "clay": 100.0})
        first.run(folder / "leads.csv")
        second.queen()
        assert first.process is not None
        hers = (
            "SELECT count(*) AS n FROM run_items JOIN workers ON session = claimed_by "
            f"WHERE pid = {first.process.pid} AND state IS"
        )
        until(
            lambda: (
                _count(machines, f"{hers} NOT NULL") > 0 and _count(machines, f"{hers} NULL") > 0
            ),
            60,
            first,
        )
        second.ready()
        first.kill()
        open_ = "SELECT count(*) AS n FROM run_items WHERE state IS NULL"
        waits = "SELECT count(*) AS n FROM deliveries WHERE state NOT IN ('sent', 'refused')"
        late = (
            "SELECT count(*) AS n FROM deliveries WHERE state = 'sent' AND not_before IS NOT NULL"
        )
        until(lambda: _count(machines, open_) == 0, 60, second)
        until(lambda: _count(machines, waits) == 0 and _count(machines, late) == 0, 60, second)
        yield machines


def _count(machines: Fleet, statement: str) -> int:
    try:
        return int(machines.one(statement))
    except Exception:  # noqa: BLE001 - the tables are not there yet
        return 0


def test_every_lead_ended_once_and_the_dead_ones_were_taken_over(two: Fleet) -> None:
    states = Counter(row["state"] for row in two.ask("SELECT state FROM run_items"))
    assert sum(states.values()) == LEADS
    sessions = {row["claimed_by"].rpartition(".")[0] for row in two.ask(
        "SELECT DISTINCT claimed_by FROM run_items WHERE state IS NOT NULL")}  # fmt: skip
    assert len(sessions) == 2  # both have decided some
    decided = Counter(row["decision_id"] for row in two.ask(
        "SELECT decision_id FROM audit_index WHERE decision_id IS NOT NULL"))  # fmt: skip
    assert set(decided.values()) == {1}


def test_everybody_got_one_email_and_the_crm_is_told(two: Fleet) -> None:
    got = Counter(mail["to"] for mail in two.sandbox.outbox())
    wanted = two.one("SELECT count(*) AS n FROM run_items WHERE state = 'ready'")
    assert set(got.values()) == {1}
    assert len(got) == wanted >= KNOWN
    assert two.one("SELECT count(*) AS n FROM deliveries WHERE state = 'sent'") == wanted
    assert two.ask("SELECT key FROM writes WHERE status NOT IN ('sent', 'pending')") == []
    spent = two.one("SELECT count(*) AS n FROM spent_permits")
    assert spent >= len(two.sandbox.writes())


def test_workers_shows_who_lives_and_who_fell_silent(two: Fleet) -> None:
    code, told = two.swarm(1, "workers")
    assert (code, told["alive"], told["silent"], told["left"]) == (1, 1, 1, 0)
    assert {one["state"] for one in told["workers"]} == {"alive", "silent"}
    assert {one["host"] for one in told["workers"]} == {told["workers"][0]["host"]}


def test_both_chains_verify_and_what_one_decided_is_told_by_the_other(two: Fleet) -> None:
    for number in (0, 1):
        code, verified = two.swarm(number, "audit", "verify")
        assert (code, verified["ok"]) == (0, True)
    chains = {row["chain"] for row in two.ask("SELECT DISTINCT chain FROM audit_index")}
    assert len(chains) == 2


def test_a_stop_pressed_on_one_machine_stops_the_other(two: Fleet) -> None:
    code, told = two.swarm(
        0, "stop", "--yes", "--reason", "test", "--twins", str(two.sandbox.port), "--wait", "5"
    )
    assert code in (0, 1), told

    def halted() -> bool:
        rows = two.ask("SELECT document FROM heartbeats WHERE name LIKE 'queen@%'")
        says = [json.loads(row["document"]) for row in rows]
        return "stopped" in [one.get("waits_because") for one in says if "waits_because" in one]

    until(halted, 30, two.machines[1])
