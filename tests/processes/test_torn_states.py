"""What a run does with a hive that is torn, cut, locked, full or stopped: the real processes.

Never a pass that is not on record, never a traceback; a message that names what is wrong; and
after the repair the same command finishes what was begun (P2, P5, P6, P7).
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from guardrails.hive import Hive
from servers.sandbox.leads import write_leads_csv
from tests.processes.swarm import (
    ROOT,
    assert_each_lead_ended_once,
    emails,
    environment,
    records,
    run,
    shadow,
    shadow_command,
    swarm,
)

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]
LEADS = ROOT / "data" / "initial_batch.csv"
Act = Callable[[Path, psutil.Process], None]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hive in which one lead was prepared; tests damage copies of it."""
    hive = tmp_path_factory.mktemp("used") / "hive"
    shadow(hive, LEADS, "--limit", "1")
    return hive


@pytest.fixture
def hive(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "hive"))


def attempt(hive: Path, *extra: str, leads: Path = LEADS) -> tuple[int, dict[str, Any]]:
    """Exit code and the one document on stdout; nothing may be on stderr."""
    done = run(shadow_command(hive, leads, *extra), hive.parent)
    return done.returncode, document(done.stdout, done.stderr)


def document(stdout: str, stderr: str) -> dict[str, Any]:
    assert stderr == ""
    found: dict[str, Any] = json.loads(stdout)
    return found


def interrupted(hive: Path, leads: Path, after: int, act: Act, *extra: str) -> tuple[int, Any]:
    """A run to which `act` happens once `after` rows have ended: exit code and document."""
    queen = subprocess.Popen(
        shadow_command(hive, leads, *extra), env=environment(), cwd=hive.parent,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while ended(hive) < after and queen.poll() is None:
        assert time.monotonic() < deadline, "the run makes no progress"
        time.sleep(0.01)
    act(hive, psutil.Process(queen.pid))
    stdout, stderr = queen.communicate(timeout=150)
    return queen.returncode, document(stdout, stderr)


def ended(hive: Path) -> int:
    try:
        with sqlite3.connect(f"file:{hive / 'swarm.db'}?mode=ro", uri=True, timeout=30) as conn:
            found = conn.execute("SELECT count(*) FROM run_items WHERE state IS NOT NULL")
            return int(found.fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not there yet


def test_a_torn_bank_passes_nobody_and_the_repaired_one_finishes_the_run(hive: Path) -> None:
    bank = hive / "reasoning_bank.json"
    whole, before = bank.read_bytes(), len(records(hive))
    bank.write_bytes(whole[: len(whole) // 2])
    code, report = attempt(hive, "--limit", "2")
    assert code == 1
    assert report["leads"]["processed"] == 0
    for item in report["items"]:
        assert item["state"] is None
        assert [reason["code"] for reason in item["reasons"]] == ["bank_unreadable"]
    assert (emails(hive), len(records(hive))) == ([], before)
    bank.write_bytes(whole)
    code, report = attempt(hive, "--limit", "2")
    assert (code, report["resumed"]) == (0, True)
    assert_each_lead_ended_once(hive, report, 2)


def cut_audit(hive: Path) -> None:
    file = next((hive / "audit").glob("*.jsonl"))
    file.write_bytes(file.read_bytes()[:-30])


def edit_audit(hive: Path) -> None:
    file = next((hive / "audit").glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"pass"', b'"pasS"', 1))


def replace_audit(hive: Path) -> None:
    file = next((hive / "audit").glob("*.jsonl"))
    file.unlink()
    file.mkdir()


def lose_database(hive: Path) -> None:
    for file in hive.glob("swarm.db*"):
        file.unlink()


def spoil_database(hive: Path) -> None:
    for file in hive.glob("swarm.db-*"):
        file.unlink()
    database = hive / "swarm.db"
    database.write_bytes(b"no database " * 100 + database.read_bytes()[1200:])


def lose_marker(hive: Path) -> None:
    (hive / "hive.json").unlink()


@pytest.mark.parametrize(
    ("damage", "code", "error"),
    [
        (cut_audit, 1, "audit_broken"),
        (edit_audit, 1, "audit_broken"),
        (replace_audit, 1, "audit_broken"),
        (lose_database, 1, "audit_broken"),
        (spoil_database, 1, "store_unavailable"),
        (lose_marker, 2, "config_invalid"),
    ],
)
def test_a_damaged_hive_starts_no_run(
    hive: Path, damage: Callable[[Path], None], code: int, error: str
) -> None:
    before = emails(hive)
    damage(hive)
    found, told = attempt(hive, "--fresh")
    assert (found, told["error"]["code"]) == (code, error)
    assert told["error"]["message"]
    assert told["error"]["remedy"]
    assert emails(hive) == before


def test_a_hive_of_real_use_is_not_opened_for_the_sandbox(tmp_path: Path) -> None:
    Hive.open(tmp_path / "hive", sandbox=False)
    code, told = attempt(tmp_path / "hive")
    assert code == 2
    assert "was made for real use" in told["error"]["message"]


@pytest.mark.long
def test_a_run_survives_a_lock_and_stops_in_its_middle_and_resumes_under_a_changed_policy(
    tmp_path: Path,
) -> None:
    hive, leads = tmp_path / "hive", tmp_path / "leads.csv"
    write_leads_csv(leads, 60, 3)
    config = Path(shutil.copytree(ROOT / "config", tmp_path / "config")) / "production.json"

    def lock_then_stop(hive: Path, _queen: psutil.Process) -> None:
        with sqlite3.connect(hive / "swarm.db", timeout=30, isolation_level=None) as conn:
            conn.execute("BEGIN IMMEDIATE")
            time.sleep(5)
            conn.execute("COMMIT")
        conn.close()
        (hive / "STOP").touch()

    code, told = interrupted(hive, leads, 3, lock_then_stop, "--config", str(config))
    assert (code, told["error"]["code"]) == (3, "stopped")
    stopped_at, policies = ended(hive), {r["body"].get("policy_version") for r in records(hive)}
    assert 3 <= stopped_at < 60
    assert len(policies - {None}) == 1
    stated = json.loads(config.read_text())
    stated["sending_window"]["start"] = "09:30"
    config.write_text(json.dumps(stated))
    (hive / "STOP").unlink()
    code, report = attempt(hive, "--config", str(config), leads=leads)
    assert (code, report["resumed"]) == (0, True)
    assert_each_lead_ended_once(hive, report, 60)
    versions = [record["body"].get("policy_version") for record in records(hive)]
    assert len(set(versions) - {None}) == 2  # each decision names the policy it was made under
    assert swarm(hive, "audit", "verify")[1]["ok"] is True


@pytest.mark.long
def test_when_the_twins_die_nobody_passes_unseen_and_no_count_is_invented(tmp_path: Path) -> None:
    hive, leads = tmp_path / "hive", tmp_path / "leads.csv"
    write_leads_csv(leads, 40, 5)

    def kill_twins(_hive: Path, queen: psutil.Process) -> None:
        for child in queen.children():
            if "servers.sandbox" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)

    code, told = interrupted(hive, leads, 3, kill_twins)
    assert (code, told["error"]["code"]) == (1, "server_unavailable")
    assert "twins" in told["error"]["message"]
    late = [record for record in records(hive) if "lookup_failed" in json.dumps(record["body"])]
    assert late
    assert {record["body"]["state"] for record in late} <= {"deferred", "disqualified", "blocked"}


def test_a_full_disk_is_named_and_with_room_again_the_run_ends(tmp_path: Path) -> None:
    hive = tmp_path / "hive"

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))

    done = subprocess.run(
        shadow_command(hive, LEADS, "--limit", "3"), cwd=tmp_path, capture_output=True, text=True,
        # Without the cache, or half a compiled module would stay behind in the checkout.
        env=environment(PYTHONDONTWRITEBYTECODE="1"), timeout=150, preexec_fn=no_room, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    told = document(done.stdout, done.stderr)
    assert told["error"]["code"] in {"store_unavailable", "disk_trouble", "audit_unwritable"}
    code, report = attempt(hive, "--limit", "3")
    assert code == 0
    assert_each_lead_ended_once(hive, report, 3)
