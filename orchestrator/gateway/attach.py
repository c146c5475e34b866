"""What is attached to the gateway. Owns: Slack, on the ground that the gateway stands on.

Refuses half a Slack: see `SlackSettings`. Without SLACK_BOT_TOKEN there is none, and approvals go
on by `swarm approvals`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from guardrails.bank import Bank
from guardrails.errors import ServerUnavailable
from guardrails.lesson_folding import Folding
from orchestrator.environment import Environment
from orchestrator.gateway.ground import Attachment, Ground
from orchestrator.slack.settings import SlackSettings
from orchestrator.twins import slack_told

log = structlog.get_logger(__name__)


def attach(ground: Ground, url: str) -> Attachment:
    """Slack, when it is set up.

    Args:
        url: where the gateway listens; the sandbox's Slack is told, as a person enters it in the
            real one.

    Raises:
        ConfigError: only half of it is.
    """
    rules = ground.config.production.approvals
    settings = SlackSettings.of(
        ground.values, sandbox=ground.sandbox, console_url=rules.console_url
    )
    return Attachment() if settings is None else _slack(ground, settings, url)


def _slack(ground: Ground, settings: SlackSettings, url: str) -> Attachment:
    # Imported for those who have Slack: it is a third of the gateway's memory.
    from orchestrator.approvals.case import Cases  # noqa: PLC0415
    from orchestrator.approvals.opening import open_approvals  # noqa: PLC0415
    from orchestrator.slack import service  # noqa: PLC0415

    config, store, clock = ground.config, ground.store, ground.clock
    bank = Bank(ground.hive.bank_file, config.policy.bank, clock)
    environment = Environment(ground.values)
    slack = service.SlackService(
        settings,
        service.Ground(
            store=store,
            approvals=open_approvals(config, ground.hive, store, ground.audit, clock, environment),
            cases=Cases(ground.audit, store),
            rules=config.production.approvals,
            clock=clock,
            learn=Folding(store, bank, ground.hive, clock).fold,
        ),
    )

    async def run() -> None:
        if ground.sandbox:
            await _introduced(settings.base_url, f"{url}/slack/interactions")
        async with slack.running():
            await asyncio.Event().wait()

    def tell() -> Mapping[str, Any]:
        socket = None if slack.socket is None else slack.socket.connected
        return {"slack": {"trouble": slack.poster.trouble, "socket": socket}}

    return Attachment(slack.interact if settings.signing_secret else None, [run], tell)


async def _introduced(slack_base_url: str, request_url: str) -> None:
    try:
        await slack_told(slack_base_url, request_url)
    except ServerUnavailable as error:  # clicks do not come in then; everything else works
        log.warning("sandbox_slack_not_told", why=error.message)
