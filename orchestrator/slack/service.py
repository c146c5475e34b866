"""Slack as the gateway runs it. Owns: its parts' composition, start and end.

The gateway hands proven payloads to `interact` and asks `status` for its health page; the rest
runs by itself. Without Slack's variables there is no service, and approvals go on by the command
line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from guardrails.approvals import Approvals
from guardrails.clock import Clock
from guardrails.config.models.people import ApprovalRules
from guardrails.errors import SwarmError
from guardrails.store import Store
from orchestrator.approvals.case import Cases
from orchestrator.slack import outbox
from orchestrator.slack.acks import Ack
from orchestrator.slack.cards import Cards
from orchestrator.slack.client import Slack
from orchestrator.slack.content import Contents
from orchestrator.slack.desk import Desk
from orchestrator.slack.interactions import Interactions
from orchestrator.slack.poster import Poster
from orchestrator.slack.settings import SlackSettings
from orchestrator.slack.sla import Sla
from orchestrator.slack.socket_mode import SocketMode

log = structlog.get_logger(__name__)
_AFTER_A_DEFECT_S = 5.0


@dataclass(frozen=True)
class Ground:
    """What the service stands on.

    Args:
        learn: brings queued lessons into the bank (`fold_pending`); called after a rejection.
    """

    store: Store
    approvals: Approvals
    cases: Cases
    rules: ApprovalRules
    clock: Clock
    learn: Callable[[], Awaitable[object]]


class SlackService:
    """Poster, reminders, clicks. Use `running`."""

    def __init__(self, settings: SlackSettings, ground: Ground) -> None:
        self._settings = settings
        self._ground = ground
        approvals, store, clock = ground.approvals, ground.store, ground.clock
        self._slack = Slack(settings)
        cards = Cards(approvals.approvers, settings.console_url)
        contents = Contents(approvals, ground.cases, cards)
        self.poster = Poster(settings.channel_id, self._slack, store, approvals, contents, clock)
        self.sla = Sla(store, approvals, ground.rules, clock)
        desk = Desk(store, approvals, ground.cases, clock)
        self.interactions = Interactions(
            settings, self._slack, approvals, desk, ground.learn, self.poster.wake
        )
        self.socket = SocketMode(settings, self.interact) if settings.app_token else None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SlackService]:
        """Run in the background for as long as the block does."""
        tasks = [
            asyncio.create_task(_steadily(self.poster.run), name="slack-poster"),
            asyncio.create_task(_steadily(self.sla.run), name="slack-sla"),
            asyncio.create_task(self._greet(), name="slack-greet"),
        ]
        if self.socket is not None:
            self.socket.start()
        try:
            yield self
        finally:
            if self.socket is not None:
                await self.socket.close()
            await self.interactions.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Let go of the threads."""
        self._slack.close()

    async def interact(self, payload: Mapping[str, Any]) -> Ack:
        """Take a payload that is proven to come from Slack; answers within three seconds."""
        return await self.interactions.handle(payload)

    async def status(self) -> dict[str, Any]:
        """`{trouble, waiting, failed, socket}`: what Slack said last, and what is not shown yet.

        Raises:
            StoreUnavailable: the database cannot be asked.
        """
        now = self._ground.clock()
        depths = await self._ground.store.query(lambda conn: outbox.depths(conn, now))
        socket = None if self.socket is None else self.socket.connected
        return {"trouble": self.poster.trouble, **depths, "socket": socket}

    async def _greet(self) -> None:
        """Say early when the token belongs to another workspace: nothing would work there."""
        try:
            team_id, _ = await self._slack.who_am_i()
        except SwarmError as error:
            log.warning("slack_not_reached_at_start", code=error.code, why=error.message)
            return
        if team_id != self._settings.team_id:
            log.error("slack_token_of_another_workspace", team=team_id)
            return
        if not any(one.slack_user_id for one in self._ground.approvals.approvers.all()):
            log.error("slack_nobody_may_approve", remedy="Set SLACK_APPROVER_IDS.")


async def _steadily(run: Callable[[], Awaitable[None]]) -> None:
    """`run` for ever: a defect in one round must not silence all that follow."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("slack_background_broke")
            await asyncio.sleep(_AFTER_A_DEFECT_S)
