"""--fresh gives a run up: what waited for a person in it waits no more."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.processes.live import TUESDAY, live_config, offset_to, query, run_live, twins
from tests.processes.test_campaign import LEADS

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_a_fresh_run_withdraws_what_waited_in_the_one_it_gives_up(tmp_path: Path) -> None:
    config, hive = live_config(tmp_path), tmp_path / "hive"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"mode": "assisted"}))
    offset_s = offset_to(TUESDAY, 16, 30)
    with twins() as sandbox:
        for more in ((), ("--fresh",)):
            code, report = run_live(hive, LEADS, config, sandbox, offset_s, *more)
            assert code == 0, report
        assert sandbox.outbox() == []
    found = query(hive, "SELECT lead_id, run_id, state, reason_code FROM approvals")
    waiting = [row for row in found if row["state"] == "waiting"]
    gone = [row for row in found if row["state"] == "withdrawn"]
    assert len(waiting) == len(gone) > 0
    assert {row["run_id"] for row in waiting} == {report["run_id"]}
    assert {row["reason_code"] for row in gone} == {"given_up"}
    assert max(Counter(row["lead_id"] for row in waiting).values()) == 1
