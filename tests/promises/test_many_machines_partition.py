"""A machine that is cut off from the database writes nothing at a vendor, and goes on afterwards.

Its way to the database is a proxy that goes silent: no error, no answer. What was permitted before
may still arrive; nothing new is begun.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from servers.sandbox.leads import lead_rows
from tests.fleet.machines import Fleet, fleet, until
from tests.fleet.partition import way_to
from tests.fleet.postgres import tcp_postgres
from tests.processes.live import TUESDAY, append_rows, known_rows, offset_to, twins

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.long,
    pytest.mark.timeout(300),
]
LEADS, KNOWN, SILENT_S = 40, 12, 15.0
LATENCY_MS = 200.0


def writes(machines: Fleet) -> int:
    return len(machines.sandbox.writes())


def test_cut_off_it_begins_no_write_and_healed_it_goes_on(tmp_path: Path) -> None:
    append_rows(tmp_path / "leads.csv", [*known_rows(KNOWN), *lead_rows(LEADS - KNOWN, 5)])
    with (
        tcp_postgres() as postgres,
        twins() as sandbox,
        way_to(postgres.port) as way,
        fleet(tmp_path, postgres, sandbox, 1, offset_to(TUESDAY, 16, 30), ways=[way],
              work={"concurrency": 4}) as machines,
    ):  # fmt: skip
        [machine] = machines.machines
        sandbox.behave(vendor_latency_ms=dict.fromkeys(("ghl", "instantly"), LATENCY_MS))
        machine.run(tmp_path / "leads.csv")
        until(lambda: writes(machines) >= 5, 120, machine)
        way.cut()
        time.sleep(5 * LATENCY_MS / 1000)  # what was under way arrives
        before = writes(machines)
        time.sleep(SILENT_S)  # its lease runs out meanwhile
        assert writes(machines) == before
        way.heal()
        until(lambda: not machine.alive, 180)
        machine.run(tmp_path / "leads.csv")  # whatever halted it is over
        until(lambda: not machine.alive, 120)
        assert machines.one("SELECT count(*) AS n FROM run_items WHERE state IS NULL") == 0
        got = [mail["to"] for mail in sandbox.outbox()]
        assert len(got) == len(set(got)) >= KNOWN
        assert machines.one("SELECT count(*) AS n FROM deliveries WHERE state = 'queued'") == 0
