"""P5 on several machines: a stop pressed on one, under load, ends every write of all of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from servers.sandbox.leads import lead_rows
from tests.fleet.machines import fleet, until
from tests.fleet.postgres import tcp_postgres
from tests.processes.live import TUESDAY, append_rows, known_rows, offset_to, twins

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.long,
    pytest.mark.timeout(400),
]
LEADS, KNOWN, MACHINES = 120, 12, 3
QUIET_S = 10.0


def test_after_a_stop_on_one_machine_has_returned_no_machine_writes(tmp_path: Path) -> None:
    append_rows(tmp_path / "leads.csv", [*known_rows(KNOWN), *lead_rows(LEADS - KNOWN, 5)])
    with (
        tcp_postgres() as postgres,
        twins() as sandbox,
        fleet(tmp_path, postgres, sandbox, MACHINES, offset_to(TUESDAY, 16, 30),
              work={"concurrency": 4}) as machines,
    ):  # fmt: skip
        sandbox.behave(vendor_latency_ms=dict.fromkeys(("ghl", "instantly"), 100.0))
        first, *others = machines.machines
        first.run(tmp_path / "leads.csv")
        for other in others:
            other.queen()
        for other in others:
            other.ready()
        busy = "SELECT count(DISTINCT claimed_by) AS n FROM deliveries WHERE claimed_by IS NOT NULL"
        until(lambda: machines.one(busy) >= 2 and len(sandbox.writes()) >= 20, 200)
        code, told = machines.swarm(
            1, "stop", "--yes", "--reason", "fire", "--twins", str(sandbox.port), "--wait", "30"
        )
        at_return = len(sandbox.writes())
        time.sleep(QUIET_S)
        assert len(sandbox.writes()) == at_return
        assert code in (0, 1), told
        open_ = "SELECT count(*) AS n FROM deliveries WHERE state IN ('queued', 'deferred')"
        assert machines.one(open_) > 0  # it was under load
        got = [mail["to"] for mail in sandbox.outbox()]
        assert len(got) == len(set(got))
