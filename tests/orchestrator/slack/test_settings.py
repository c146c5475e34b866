"""Half a Slack does not start, and nothing of it shows a secret."""

from __future__ import annotations

import pytest

from guardrails.errors import ConfigError
from orchestrator.slack.settings import SlackSettings


def test_settings_say_what_is_missing_and_show_no_secret() -> None:
    whole = {
        "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_CHANNEL_ID": "C1", "SLACK_APP_ID": "A1",
        "SLACK_TEAM_ID": "T1", "SLACK_SIGNING_SECRET": "s3cret",
    }  # fmt: skip
    assert SlackSettings.of({}, sandbox=False) is None
    found = SlackSettings.of(whole, sandbox=False)
    assert found is not None
    assert found.base_url == "https://slack.com"
    assert "s3cret" not in repr(found)
    assert "xoxb-1" not in repr(found)
    for name in ("SLACK_CHANNEL_ID", "SLACK_APP_ID", "SLACK_TEAM_ID", "SLACK_SIGNING_SECRET"):
        with pytest.raises(ConfigError, match=name):
            SlackSettings.of({k: v for k, v in whole.items() if k != name}, sandbox=False)
    with pytest.raises(ConfigError, match="loopback"):
        SlackSettings.of(whole, sandbox=True)
