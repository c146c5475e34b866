"""The failure campaign, run as a person runs it: over real processes and the vendors' twins."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orchestrator.campaign.checks import ASKED
from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.report_html import page
from tests.processes.swarm import ROOT, environment, run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]
SCRIPT = ROOT / "scripts" / "run_failure_campaign.py"
LEADS = ROOT / "data" / "initial_batch.csv"
# As the README has it. Run here with an eighth of a minute and more faults.
README_COMMAND = "python scripts/run_failure_campaign.py --sandbox --duration 1h --rate 0.1"
SHORTENED = README_COMMAND.replace("1h", "12s").replace("0.1", "0.3")


def command(hive: Path, *extra: str) -> list[str]:
    return [
        sys.executable, str(SCRIPT), "--sandbox", "--json", "--hive", str(hive),
        "--leads", str(LEADS), "--seed", "4", *extra,
    ]  # fmt: skip


def few_leads(folder: Path) -> Path:
    file = folder / "leads.csv"
    file.write_text("".join(LEADS.read_text().splitlines(keepends=True)[:5]))
    return file


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, CampaignRecord, Path]:
    folder = tmp_path_factory.mktemp("campaign")
    # A hang costs its whole time limit: the long campaign and the sweep have it.
    faults = "http,server_killed,database_locked,disk_full,torn_bank"
    words = SHORTENED.split()[2:]
    done = run(command(folder / "hive", *words, "--faults", faults), folder)
    assert done.stdout, done.stderr
    return done.returncode, CampaignRecord.model_validate_json(done.stdout), folder / "hive"


def test_the_swarm_holds_and_every_question_is_answered(
    campaign: tuple[int, CampaignRecord, Path],
) -> None:
    code, record, _ = campaign
    wrong = {each.id: each.answer for each in record.questions if not each.holds}
    assert (code, wrong) == (0, {})
    assert len(record.questions) == len(ASKED)
    assert {lead.verdict for lead in record.leads} <= {"same", "more_cautious"}
    assert [lead.row for lead in record.leads] == list(range(1, 11))
    assert all(lead.after == lead.baseline for lead in record.leads)


def test_faults_of_both_kinds_were_really_put_there(
    campaign: tuple[int, CampaignRecord, Path],
) -> None:
    record = campaign[1]
    sites = {fault.site.partition(".")[0] for fault in record.faults}
    assert {"process", "ghl"} <= sites
    assert record.rounds >= 1
    assert any(span.vendor == "ghl" and span.state == "open" for span in record.breakers)
    assert sum(number for _, number in record.arrivals["ghl read"]) > 0
    assert len(record.samples) >= 5


def test_the_report_lies_where_it_is_expected_and_production_is_untouched(
    campaign: tuple[int, CampaignRecord, Path],
) -> None:
    _, record, hive = campaign
    folder = hive / "chaos" / "latest"
    kept = CampaignRecord.model_validate_json((folder / "report.json").read_text())
    assert kept == record
    assert (folder / "report.html").read_text() == page(record)
    assert sorted(entry.name for entry in hive.iterdir()) == ["chaos"]


def twins_port(parent: int) -> int | None:
    for child in psutil.Process(parent).children(recursive=True):
        if "servers.sandbox" in child.cmdline():
            listening = [each for each in child.net_connections() if each.status == "LISTEN"]
            if listening:
                return int(listening[0].laddr.port)
    return None


def write_behind_its_back(process: subprocess.Popen[str], deadline: float) -> None:
    """A write at GHL that no part of the swarm made; the twin counts it all the same."""
    while (port := twins_port(process.pid)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    answer = httpx.post(f"http://127.0.0.1:{port}/ghl/contacts/", json={}, trust_env=False)
    assert answer.status_code in (401, 422)


@pytest.mark.long
def test_one_write_at_a_vendor_and_the_campaign_fails(tmp_path: Path) -> None:
    extra = ("--duration", "1s", "--rate", "0", "--faults", "slow")
    process = subprocess.Popen(
        [*command(tmp_path / "hive", *extra), "--leads", str(few_leads(tmp_path))],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    write_behind_its_back(process, time.monotonic() + 60)
    told, _ = process.communicate(timeout=200)
    document: dict[str, Any] = json.loads(told)
    answers = {each["id"]: each["holds"] for each in document["questions"]}
    assert process.returncode == 1
    assert not answers.pop("no_writes")
    assert all(answers.values()), answers


def test_a_campaign_that_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    done = run(command(tmp_path / "hive"), tmp_path)
    assert done.returncode == 2
    assert "failure_injection" in json.loads(done.stdout)["error"]["remedy"]
    assert not (tmp_path / "hive").exists()
