"""How the process tests start the real command and read what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "deploy_shadow_mode.py"
SHADOW_STATES = {
    "invalid", "duplicate", "disqualified", "blocked", "review", "deferred", "shadow_logged",
}  # fmt: skip
SWARM = (sys.executable, "-c", "from orchestrator.cli import main; main()")


def environment(**extra: str) -> dict[str, str]:
    """Harmless variables only: no key of the developer's machine reaches a test."""
    kept = {key: os.environ[key] for key in ("HOME", "LANG", "PATH", "TERM") if key in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | extra


def shadow_command(hive: Path, leads: Path, *extra: str) -> list[str]:
    """The shadow run over the twins, as a script reads it."""
    return [
        sys.executable, str(SCRIPT), "--sandbox", "--json",
        "--leads", str(leads), "--hive", str(hive), *extra,
    ]  # fmt: skip


def run(command: Sequence[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, bounded."""
    return subprocess.run(
        command, cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip


def swarm(hive: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """A `swarm` command with --json: exit code and document."""
    done = run([*SWARM, *arguments, "--hive", str(hive), "--json"], hive.parent)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def shadow(hive: Path, leads: Path, *extra: str) -> dict[str, Any]:
    """A shadow run that must succeed: its report."""
    done = run(shadow_command(hive, leads, *extra), hive.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def emails(hive: Path) -> list[dict[str, Any]]:
    """The shadow log."""
    found: list[dict[str, Any]] = json.loads((hive / "shadow_logs" / "emails.json").read_text())
    return found


def records(hive: Path) -> list[dict[str, Any]]:
    """Every audit record."""
    files = sorted((hive / "audit").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def assert_each_lead_ended_once(hive: Path, report: dict[str, Any], total: int) -> None:
    """P7 over one run: one item, one state and one decision for each row; no e-mail twice."""
    rows = Counter(item["row"] for item in report["items"])
    assert sorted(rows) == list(range(1, total + 1))
    assert set(rows.values()) == {1}
    assert {item["state"] for item in report["items"]} <= SHADOW_STATES
    decided = Counter(record["decision_id"] for record in records(hive) if record["decision_id"])
    assert set(decided.values()) == {1}
    logged = [mail["lead_id"] for mail in emails(hive)]
    assert len(logged) == len(set(logged))
    drafted = {"shadow_logged", "review", "blocked", "deferred"}
    allowed = {item["lead_id"] for item in report["items"] if item["state"] in drafted}
    assert set(logged) <= allowed
    assert {item["lead_id"] for item in report["items"] if item["state"] == "shadow_logged"} <= set(
        logged
    )
    assert report["vendor_writes"] == 0
