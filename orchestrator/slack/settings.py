"""What Slack needs in the environment. Owns: which variables belong together.

Without a bot token there is no Slack, and approvals go on by `swarm approvals`. With one, half a
configuration is an error: a click whose workspace or app cannot be checked is never accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guardrails.errors import ConfigError
from orchestrator.slack.wire import checked_base_url

_TOGETHER = ("SLACK_CHANNEL_ID", "SLACK_APP_ID", "SLACK_TEAM_ID")


@dataclass(frozen=True)
class SlackSettings:
    """One app in one workspace. Printing it shows no secret.

    Args:
        signing_secret: proves clicks over HTTP; None when only Socket Mode is used.
        app_token: opens Socket Mode; None when clicks come over HTTP.
        console_url: where approvers find the console, shown on cards.
    """

    bot_token: str = field(repr=False)
    channel_id: str
    app_id: str
    team_id: str
    base_url: str
    signing_secret: str | None = field(default=None, repr=False)
    app_token: str | None = field(default=None, repr=False)
    console_url: str | None = None

    @classmethod
    def of(
        cls, values: Mapping[str, str], *, sandbox: bool, console_url: str | None = None
    ) -> SlackSettings | None:
        """From the gateway's variables; None when SLACK_BOT_TOKEN is not set.

        Raises:
            ConfigError: something that belongs to it is missing or cannot be.
        """
        token = values.get("SLACK_BOT_TOKEN")
        if not token:
            return None
        missing = [name for name in _TOGETHER if not values.get(name)]
        if not values.get("SLACK_SIGNING_SECRET") and not values.get("SLACK_APP_TOKEN"):
            missing.append("SLACK_SIGNING_SECRET (or SLACK_APP_TOKEN for Socket Mode)")
        if missing:
            raise ConfigError(
                f"SLACK_BOT_TOKEN is set, but not {', '.join(missing)}",
                remedy="docs/slack.md says where each is found; without the token Slack is off.",
            )
        return cls(
            bot_token=token,
            channel_id=values["SLACK_CHANNEL_ID"],
            app_id=values["SLACK_APP_ID"],
            team_id=values["SLACK_TEAM_ID"],
            base_url=checked_base_url(values.get("SLACK_BASE_URL"), sandbox=sandbox),
            signing_secret=values.get("SLACK_SIGNING_SECRET") or None,
            app_token=values.get("SLACK_APP_TOKEN") or None,
            console_url=console_url,
        )
