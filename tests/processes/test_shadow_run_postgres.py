"""The same run with PostgreSQL instead of the hive's SQLite file: engine, store and audit."""

import json
from pathlib import Path

import pytest

from tests.processes.swarm import (
    ROOT,
    SWARM,
    assert_each_lead_ended_once,
    run,
    shadow_command,
)

pytestmark = [pytest.mark.processes, pytest.mark.postgres, pytest.mark.timeout(180)]
LEADS = ROOT / "data" / "initial_batch.csv"


def test_the_sample_leads_end_as_they_do_on_sqlite(tmp_path: Path, postgres_url: str) -> None:
    hive, env = tmp_path / "hive", {"SWARM_DATABASE_URL": postgres_url}
    done = run(shadow_command(hive, LEADS), tmp_path, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert_each_lead_ended_once(hive, report, 10)
    assert report["leads"]["by_state"] == {
        "shadow_logged": 3, "disqualified": 4, "review": 2, "blocked": 1,
    }  # fmt: skip
    assert not (hive / "swarm.db").exists()
    lead = report["items"][0]["lead_id"]
    for words in (["replay", lead], ["audit", "verify"]):
        done = run([*SWARM, *words, "--hive", str(hive)], tmp_path, **env)
        assert done.returncode == 0, done.stderr
