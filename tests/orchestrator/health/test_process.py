"""The monitor as a process: one at a time, others' keys let go, a Slack of its own kind."""

from __future__ import annotations

import os

import pytest

from guardrails.hive import Hive
from orchestrator.health.process import forget_other_keys, only_one
from orchestrator.health.slack import has_slack, slack


def test_keys_of_other_processes_leave_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHL_PROD_API_KEY", "a key")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "a token")
    monkeypatch.setenv("PATH_OF_SOMEBODY", "kept")
    forget_other_keys({"SLACK_BOT_TOKEN": "a token"})
    assert "GHL_PROD_API_KEY" not in os.environ
    assert os.environ["SLACK_BOT_TOKEN"] == "a token"
    assert os.environ["PATH_OF_SOMEBODY"] == "kept"


def test_one_monitor_at_a_time_watches_a_hive(hive: Hive) -> None:
    with only_one(hive) as first, only_one(hive) as second:
        assert (first, second) == (True, False)
    with only_one(hive) as again:
        assert again


def test_a_disk_that_takes_no_lock_is_no_reason_not_to_watch(hive: Hive) -> None:
    (hive.path / "monitor.lock").mkdir()
    with only_one(hive) as alone:
        assert alone


REAL = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_CHANNEL_ID": "C1"}
LOCAL = "http://127.0.0.1:7/hook"


@pytest.mark.parametrize(
    ("values", "real", "sandbox"),
    [
        ({}, False, False),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, False, False),  # no channel
        (REAL, True, False),  # a test never wakes anybody
        (REAL | {"SLACK_BASE_URL": "http://127.0.0.1:7"}, True, True),
        ({"SLACK_WEBHOOK_URL": "https://hooks.slack.example/x"}, True, False),
        ({"SLACK_WEBHOOK_URL": LOCAL}, True, True),
    ],
)
def test_there_is_a_slack_to_tell(values: dict[str, str], real: bool, sandbox: bool) -> None:
    assert has_slack(values, sandbox=False) is real
    assert has_slack(values, sandbox=True) is sandbox
    assert (slack(values, 1, "", sandbox=True) is not None) is sandbox
