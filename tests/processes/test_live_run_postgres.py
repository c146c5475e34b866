"""The same live run with PostgreSQL instead of the hive's SQLite file: engine, ledger and caps."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from guardrails.clock import parse
from servers.sandbox.leads import write_leads_csv
from tests.processes.live import (
    TUESDAY,
    append_rows,
    decided,
    dossiers,
    in_window,
    known_rows,
    live_config,
    most_within,
    offset_to,
    query,
    run_live,
    twins,
)
from tests.processes.swarm import SWARM, run

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.long,
    pytest.mark.timeout(400),
]
PER_HOUR = 7


def test_decided_emails_go_out_once_in_time_and_under_the_caps(
    tmp_path: Path, postgres_url: str
) -> None:
    leads, hive, env = (
        tmp_path / "leads.csv",
        tmp_path / "hive",
        {"SWARM_DATABASE_URL": postgres_url},
    )
    write_leads_csv(leads, 10, 3)
    append_rows(leads, known_rows(4))
    config = live_config(tmp_path, {"per_hour": PER_HOUR})
    first = offset_to(TUESDAY, 16, 30)
    with twins() as sandbox:
        ran = [
            run_live(hive, leads, config, sandbox, first + later, env=env)
            for later in (0.0, 3660.0)
        ]
        got, writes = sandbox.outbox(), sandbox.writes()
    assert [code for code, _ in ran] == [0, 0]
    assert not (hive / "swarm.db").exists()
    wanted, known = decided(hive, postgres_url), dossiers(hive, postgres_url)
    assert len(got) > PER_HOUR
    assert max(Counter(mail["to"] for mail in got).values()) == 1
    assert {mail["vendor"] for mail in got} == {"ghl", "instantly"}
    for mail in got:
        said = wanted[mail["to"]]
        assert (mail["subject"], mail["text"].strip()) == (said["subject"], said["body"].strip())
        assert in_window(known[mail["to"]], parse(mail["at"]))
    assert most_within([parse(mail["at"]) for mail in got], timedelta(hours=1)) == PER_HOUR
    ledger = query(hive, "SELECT action, status FROM writes", url=postgres_url)
    notes = [row["status"] for row in ledger if row["action"] == "add_note"]
    assert notes == ["sent"] * len(got)
    spent = query(hive, "SELECT permit_id FROM spent_permits", url=postgres_url)
    assert len(spent) == len(writes)
    done = run([*SWARM, "audit", "verify", "--hive", str(hive)], tmp_path, **env)
    assert done.returncode == 0, done.stderr
