"""The manifest to paste gives the app what it uses, and no more."""

from __future__ import annotations

from pathlib import Path

import yaml

from orchestrator import slack

MANIFEST = yaml.safe_load((Path(slack.__file__).parent / "manifest.yaml").read_text("utf-8"))


def test_the_scopes_are_those_of_the_calls_that_are_made() -> None:
    """chat.postMessage, chat.update, chat.postEphemeral; conversations.history and replies;
    views.open and auth.test need none."""
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == {
        "chat:write", "channels:history", "groups:history", "incoming-webhook",
    }  # fmt: skip
    assert "user" not in MANIFEST["oauth_config"]["scopes"]


def test_clicks_go_to_the_gateways_door() -> None:
    settings = MANIFEST["settings"]
    assert settings["interactivity"]["is_enabled"] is True
    assert settings["interactivity"]["request_url"].endswith("/slack/interactions")
    assert settings["socket_mode_enabled"] is False
