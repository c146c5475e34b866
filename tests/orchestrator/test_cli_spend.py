"""`swarm spend`: what is held, and a person's word about what nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from guardrails.audit import AuditLog
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.cli_spend import register
from tests.conftest import SteppableClock
from tests.guardrails.brakes.spending import PRICE, Till, spend

app = typer.Typer()
register(app)


@app.command()
def other() -> None:
    """Typer names commands only when there are several."""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("SWARM_DATABASE_URL", "HIVE_MIND_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def till(hive: Hive) -> Iterator[Till]:
    """The hive's book, in the past enough for any reservation to be stale."""
    clock = SteppableClock()
    store = open_store(hive)
    yield Till(store, clock, spend(total=10 * PRICE))
    store.close()


def swarm(hive: Hive, *arguments: str) -> Result:
    command, *rest = arguments or ("",)
    words = ["spend", *([command] if command else []), *rest, "--hive", str(hive.path)]
    return CliRunner().invoke(app, words)


def document(result: Result) -> Any:
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_a_quiet_day_is_shown_and_done(hive: Hive) -> None:
    result = swarm(hive)
    cap = load_config().production.spend.daily_cap_micros
    assert result.exit_code == 0
    for part in ("total", "clay", "rb2b", f"${cap // 1_000_000}.00", "config/production.json"):
        assert part in result.stdout
    assert "reconcile" not in result.stdout


def test_what_awaits_a_person_is_listed_with_its_id_and_needs_attention(
    hive: Hive, till: Till
) -> None:
    for name in ("S-lost", "S-dead"):
        till.reserve(name)
    till.settle("S-lost", "unknown")
    result = swarm(hive, "--day", "2026-03-10")
    assert result.exit_code == 1
    for part in ("S-lost", "unknown", "S-dead", "died", "$0.20", "reconcile ENTRY"):
        assert part in result.stdout


def test_the_report_as_one_document(hive: Hive, till: Till) -> None:
    till.reserve("S-1", 5 * PRICE)
    till.settle("S-1", "charged")
    result = swarm(hive, "--day", "2026-03-10", "--json")
    found = document(result)
    assert result.exit_code == 0
    assert found["day"] == "2026-03-10"
    total = found["scopes"][0]
    assert (total["scope"], total["held_micros"], total["calls"]) == (
        "*", 5 * PRICE, {"settled": 1},
    )  # fmt: skip
    assert [alert["percent"] for alert in found["alerts"]] == [50]


def test_a_cap_that_is_reached_needs_attention(hive: Hive) -> None:
    config = load_config().production.spend
    store = open_store(hive)
    Till(store, utc_now, config).reserve("S-1", config.vendor_daily_cap_micros["rb2b"], "rb2b")
    store.close()
    result = swarm(hive)
    assert (result.exit_code, "100.0 %" in result.stdout) == (1, True)
    assert "reached 100 %" in result.stdout


@pytest.mark.parametrize(
    ("flag", "status"), [("--charged", "settled"), ("--not-charged", "released")]
)
def test_a_persons_word_is_on_the_record_and_then_counts(
    hive: Hive, till: Till, flag: str, status: str
) -> None:
    till.reserve("S-lost")
    till.settle("S-lost", "unknown")
    reason = "usage page, mail of ana@firm.example"
    found = document(swarm(hive, "reconcile", "S-lost", flag, "--reason", reason, "--json"))
    assert (found["before"], found["after"], found["changed"]) == ("unknown", status, True)
    assert till.statuses() == {"S-lost": status}
    assert till.held("2026-03-10")["*"] == (PRICE if status == "settled" else 0)
    with closing(AuditLog(hive, till.store, utc_now)) as audit:
        record = audit.find(found["audit_id"])
        assert audit.verify().ok
    assert record is not None
    assert (record["kind"], record["actor"]) == ("spend_reconciled", "operator")
    assert record["body"]["reason"] == "usage page, mail of [address]"
    assert record["body"]["entry_id"] == "S-lost"


def test_saying_the_same_again_changes_and_records_nothing(hive: Hive, till: Till) -> None:
    till.reserve("S-lost")
    till.settle("S-lost", "unknown")
    words = ("reconcile", "S-lost", "--charged", "--reason", "bill")
    assert "unknown -> settled" in swarm(hive, *words).stdout
    again = swarm(hive, *words)
    assert (again.exit_code, "nothing changed" in again.stdout) == (0, True)
    with closing(AuditLog(hive, till.store, utc_now)) as audit:
        assert audit.verify().records == 1


@pytest.mark.parametrize(
    "words",
    [
        ("reconcile", "S-1", "--charged"),
        ("reconcile", "S-1", "--reason", "bill"),
        ("reconcile", "S-1", "--charged", "--reason", " "),
        ("reconcile", "nobody", "--charged", "--reason", "bill"),
        ("--day", "tomorrow"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    hive: Hive, till: Till, words: tuple[str, ...]
) -> None:
    till.reserve("S-1")
    till.settle("S-1", "unknown")
    assert swarm(hive, *words).exit_code == 2
    assert till.statuses() == {"S-1": "unknown"}


def test_looking_creates_no_hive(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["spend", "--hive", str(tmp_path / "none"), "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "not_found"
    assert not (tmp_path / "none").exists()
