"""Slack for the monitor. Owns: whether there is one to tell, and posting to it."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.health.telling import Tell
from orchestrator.slack.tell import Told, tell
from orchestrator.slack.wire import is_loopback


def has_slack(values: Mapping[str, str], *, sandbox: bool) -> bool:
    """Whether there is a Slack to tell; in the sandbox, one on this machine."""
    webhook = values.get("SLACK_WEBHOOK_URL", "")
    bot = bool(values.get("SLACK_BOT_TOKEN") and values.get("SLACK_CHANNEL_ID"))
    if sandbox:
        return is_loopback(webhook) or (bot and is_loopback(values.get("SLACK_BASE_URL", "")))
    return bot or bool(webhook)


def slack(values: Mapping[str, str], wait_s: float, mention: str, *, sandbox: bool) -> Tell | None:
    if not has_slack(values, sandbox=sandbox):
        return None

    def post(text: str, urgent: bool) -> Told:
        return tell(
            text,
            bot_token=values.get("SLACK_BOT_TOKEN"),
            channel=values.get("SLACK_CHANNEL_ID"),
            webhook_url=values.get("SLACK_WEBHOOK_URL"),
            base_url=values.get("SLACK_BASE_URL"),
            timeout_s=wait_s,
            sandbox=sandbox,
            mention=mention if urgent else "",
        )

    return post
