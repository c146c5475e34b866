"""Decisions and permits hold under one policy version: what decides is in it, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from guardrails.config import load_config, policy_version
from guardrails.config.loader import FILES, UNDECIDING
from guardrails.config.models import Production
from guardrails.errors import ConfigError

CONFIG = Path(__file__).parents[2] / "config"
HERE = policy_version(load_config(CONFIG))

DECIDES: tuple[tuple[str, str, Any], ...] = (
    ("policy", "version", "2027-01-01"),
    ("policy", "content/spam_words", ["free"]),
    ("policy", "who/bulk_min_score", 41),
    ("policy", "bank/block_at", 0.81),
    ("icp", "min_employees", 11),
    ("competitors", "domains", ["rival.example"]),
    ("exclusions", "customers", ["customer.example"]),
    ("templates", "fact_ttl_days/news", 29),
    ("templates", "templates/0/needs", ["news", "company", "title", "email"]),
    ("golden_set", "items", []),
    ("production", "mode", "live"),
    ("production", "sending_window/end", "17:00:00"),
    ("production", "sending_limits/per_day", 24),
    ("production", "sending_limits/ramp_clean_days", 2),
    ("production", "spend/time_zone", "Europe/Berlin"),
    ("production", "delivery/instantly_campaign", "Another"),
    ("production", "delivery/ghl_tags", []),
    ("production", "delivery/decision_max_age_days", 6),
    ("production", "auto_pause/bounces_per_hour", 4),
)
DOES_NOT: tuple[tuple[str, str, Any], ...] = (
    ("approvers", "approvers", []),
    ("replies", "max_chars", 10_000),
    ("production", "failure_injection/rate", 0.2),
    ("production", "vendors/ghl/timeouts/total", 70),
    ("production", "vendors/instantly/limits/requests", 50),
    ("production", "vendors/clay/max_attempts", 1),
    ("production", "breaker/open_s", 30),
    ("production", "retry_budget/reserve", 2),
    ("production", "spend/daily_cap_micros", 1),
    ("production", "spend/vendor_daily_cap_micros", {}),
    ("production", "spend/prices_micros", {}),
    ("production", "delivery/permit_seconds", 20),
    ("production", "approvals/sla_minutes_other", 200),
    ("production", "gateway/port", 8081),
    ("production", "work/concurrency", 4),
    ("production", "retention/engine_days", 3),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def edited(folder: Path, name: str, where: str, value: Any) -> str:
    """The policy version after this edit, which must be one."""
    file = folder / f"{name}.json"
    document = json.loads(file.read_text())
    *steps, last = (int(step) if step.isdigit() else step for step in where.split("/"))
    inner = document
    for step in steps:
        inner = inner[step]
    assert inner[last] != value
    inner[last] = value
    file.write_text(json.dumps(document))
    return policy_version(load_config(folder))


@pytest.mark.parametrize(("name", "where", "value"), DECIDES)
def test_an_edit_of_what_decides_is_another_version(
    folder: Path, name: str, where: str, value: Any
) -> None:
    assert edited(folder, name, where, value) != HERE


@pytest.mark.parametrize(("name", "where", "value"), DOES_NOT)
def test_an_edit_of_how_the_work_is_done_leaves_what_waits_alone(
    folder: Path, name: str, where: str, value: Any
) -> None:
    assert edited(folder, name, where, value) == HERE


def test_every_file_and_every_section_of_production_was_thought_about() -> None:
    """A new section decides until it is said here, and in `UNDECIDING`, that it does not."""
    assert {name for name, _, _ in (*DECIDES, *DOES_NOT)} == set(FILES)
    sections = {where.split("/")[0] for name, where, _ in DECIDES if name == "production"}
    left_out = set(UNDECIDING["production"])
    assert sections | left_out == set(Production.model_fields) - {"schema_version"}
    assert sections & left_out == {"spend", "delivery"}


@pytest.mark.parametrize(
    "file", ["templates/_close.j2", "templates/phrases.json", "tone_corpus.json"]
)
def test_other_wording_is_another_version(folder: Path, file: str) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert policy_version(load_config(folder)) != HERE


def test_a_template_under_another_name_is_another_version(folder: Path) -> None:
    (folder / "templates/plain.j2").rename(folder / "templates/plainer.j2")
    assert policy_version(load_config(folder)) != HERE


def test_what_an_editor_leaves_beside_the_templates_changes_nothing(folder: Path) -> None:
    (folder / "templates/plain.j2~").write_text("x")
    assert policy_version(load_config(folder)) == HERE


def test_wording_that_cannot_be_read_is_an_error_and_no_version(folder: Path) -> None:
    (folder / "templates/phrases.json").unlink()
    (folder / "templates/phrases.json").mkdir()
    with pytest.raises(ConfigError, match=r"phrases\.json: cannot be read"):
        load_config(folder)
