"""`swarm failures|fixes|quarantine`: what a person and a script see, and the exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from guardrails.brakes.failures import FailureTracker
from guardrails.clock import utc_now
from guardrails.config import config_dir
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.cli_failures import register


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(config_dir(), tmp_path / "config"))


@pytest.fixture
def tracker(hive: Hive, sqlite_store: Store) -> FailureTracker:
    return FailureTracker(sqlite_store, hive, utc_now, "ghl")


def run(*words: str) -> tuple[int, str]:
    app = Typer()
    register(app)
    found = CliRunner().invoke(app, list(words))
    return found.exit_code, found.output


def document(*words: str) -> tuple[int, dict[str, Any]]:
    code, text = run(*words, "--json")
    return code, json.loads(text)


def slow(tracker: FailureTracker, store: Store) -> None:
    rows = [
        tracker.row("timeout", "search_contacts", "no answer (ReadTimeout)", vendor="ghl",
                    lead_id=f"L-{number}", injected="slow" if number else None)
        for number in range(4)
    ]  # fmt: skip
    with store.transaction() as conn:
        tracker.insert(conn, rows)


def test_a_hive_without_failures_says_so(hive: Hive) -> None:
    code, text = run("failures", "--hive", str(hive.path))
    assert (code, text.strip()) == (0, "No failures in the last 24h.")
    assert document("failures", "--hive", str(hive.path))[1]["clusters"] == []


def test_failures_are_told_by_cause(
    hive: Hive, tracker: FailureTracker, sqlite_store: Store
) -> None:
    slow(tracker, sqlite_store)
    _, text = run("failures", "--hive", str(hive.path))
    assert "4 x ghl.search_contacts  timeout" in text
    assert "4 leads, 3 injected" in text
    _, found = document("failures", "--since", "2d", "--hive", str(hive.path))
    (cluster,) = found["clusters"]
    assert (cluster["count"], cluster["injected"], cluster["kind"]) == (4, 3, "timeout")


def test_what_waits_in_a_file_is_shown_too(hive: Hive, tracker: FailureTracker) -> None:
    tracker.keep([tracker.row("store", "settle", "database is locked")])
    _, found = document("failures", "--hive", str(hive.path))
    assert [one["kind"] for one in found["clusters"]] == ["store"]


def test_a_proposal_is_listed_shown_applied_and_taken_back(
    hive: Hive, tracker: FailureTracker, sqlite_store: Store, config: Path
) -> None:
    slow(tracker, sqlite_store)
    where = ("--hive", str(hive.path), "--config", str(config))
    code, found = document("fixes", "list", *where)
    (fix,) = found["fixes"]
    assert code == 1  # somebody should look at it
    _, text = run("fixes", "show", fix["id"], *where)
    assert "- vendors.ghl.timeouts.read: 20" in text
    assert "+ vendors.ghl.timeouts.read: 40" in text
    assert "3 of them were injected by a chaos campaign" in text
    assert f"swarm fixes measure {fix['id']}" in text

    code, refused = document("fixes", "apply", fix["id"], *where)
    assert (code, refused["error"]["code"]) == (3, "refused")  # nobody said yes
    code, applied = document("fixes", "apply", fix["id"], "--yes", *where)
    assert (code, applied["status"]) == (0, "applied")
    assert '"read": 40' in (config / "production.json").read_text()
    assert document("fixes", "list", *where)[0] == 0  # nothing waits any more
    code, _ = run("fixes", "revert", fix["id"], "--yes", *where)
    assert code == 0
    assert '"read": 40' not in (config / "production.json").read_text()


def test_a_fix_for_a_person_is_not_measurable_and_says_why(
    hive: Hive, tracker: FailureTracker, sqlite_store: Store, config: Path
) -> None:
    with sqlite_store.transaction() as conn:
        told = "HTTP 402: Insufficient credits"
        tracker.insert(conn, [tracker.row("quota", "run_routine", told, vendor="clay")])
    where = ("--hive", str(hive.path), "--config", str(config))
    (fix,) = document("fixes", "list", *where)[1]["fixes"]
    code, found = document("fixes", "measure", fix["id"], *where)
    assert code == 1
    assert found["not_measurable"].startswith("not measurable")
    assert document("fixes", "apply", fix["id"], "--yes", *where)[0] == 3


def test_a_lead_is_released_from_quarantine_with_a_record(
    hive: Hive, tracker: FailureTracker, sqlite_store: Store, config: Path
) -> None:
    rows = [
        tracker.row("server_died", "compose", "died", server="crafter", lead_id="L-9")
        for _ in range(3)
    ]
    with sqlite_store.transaction() as conn:
        tracker.insert(conn, rows)
    where = ("--hive", str(hive.path))
    (fix,) = document("fixes", "list", *where)[1]["fixes"]
    assert document("fixes", "apply", fix["id"], "--yes", *where, "--config", str(config))[0] == 0
    code, found = document("quarantine", "list", *where)
    assert (code, [one["lead_id"] for one in found["leads"]]) == (1, ["L-9"])
    assert run("quarantine", "release", "L-9", *where)[0] == 0
    assert run("quarantine", "release", "L-9", *where)[0] == 2
    assert document("quarantine", "list", *where) == (0, {"leads": []})
    kinds = [json.loads(line)["kind"] for file in hive.audit_dir.glob("*.jsonl")
             for line in file.read_text().splitlines()]  # fmt: skip
    assert kinds == ["config_change", "config_change"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("failures", "--since", "yesterday"), 2),
        (("failures", "--since", "0h"), 2),
        (("fixes", "show", "F-00000000"), 2),
        (("fixes", "show", "../../x"), 2),
        (("fixes", "apply", "F-00000000", "--yes"), 2),
        (("quarantine", "release", "L-1"), 2),
    ],
)
def test_wrong_use_is_told_with_exit_code_2(hive: Hive, words: tuple[str, ...], code: int) -> None:
    assert run(*words, "--hive", str(hive.path))[0] == code


def test_looking_creates_no_hive(tmp_path: Path) -> None:
    assert run("failures", "--hive", str(tmp_path / "nowhere"))[0] == 2
    assert not (tmp_path / "nowhere").exists()
