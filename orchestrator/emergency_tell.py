"""Telling the team in Slack that the swarm is being stopped, and what came of it. Never in the way.

The first message goes out while the other steps are under way; the second says what was verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from orchestrator.emergency_report import Told
from orchestrator.slack.tell import Told as Answer
from orchestrator.slack.tell import tell

TELL_S = 6.0
_BY_HAND = "Tell your team yourself."


class Messenger:
    """Over the variables of the process `stop`.

    Args:
        variables: SLACK_...; none of them set means that nobody can be told.
        where: how the hive is called in the message.
    """

    def __init__(self, variables: Mapping[str, str], where: str, *, sandbox: bool) -> None:
        self._variables = variables
        self._where = where
        self._sandbox = sandbox

    def begin(self, reason: str, actor: str, told: Told) -> asyncio.Task[Answer]:
        """Tell that it is being stopped; goes on by itself."""
        holds = f"Nothing goes out from {self._where} any more, on that machine at least."
        fails = f"It could NOT be held: {self._where} may go on. Stop its service by hand."
        text = (
            f"EMERGENCY STOP pressed by {actor.removeprefix('person:')} ({reason}). "
            f"{holds if told.machine_stopped else fails} The result follows."
        )
        return asyncio.create_task(self._tell(text), name="stop-tell")

    async def finish(self, first: asyncio.Task[Answer], told: Told) -> None:
        """Tell the result, and say in it whether anybody was told."""
        was = await first
        if not self._configured and self._sandbox:
            told.skipped("Slack", "a sandbox without Slack")
            return
        after = await self._tell(_result(told)) if was else was
        told.facts["told"] = after.way if after else was.way
        if was and after:
            told.line("Slack", f"the team was told ({after.way})")
        elif was:
            told.unverified("Slack", f"told of the stop, not of its result: {after.note}", _BY_HAND)
        else:
            told.unverified("Slack", f"nobody was told: {was.note}", _BY_HAND)

    @property
    def _configured(self) -> bool:
        given = self._variables
        bot = given.get("SLACK_BOT_TOKEN") and given.get("SLACK_CHANNEL_ID")
        return bool(bot or given.get("SLACK_WEBHOOK_URL"))

    async def _tell(self, text: str) -> Answer:
        given = self._variables
        return await asyncio.to_thread(
            tell,
            text,
            bot_token=given.get("SLACK_BOT_TOKEN"),
            channel=given.get("SLACK_CHANNEL_ID"),
            webhook_url=given.get("SLACK_WEBHOOK_URL"),
            base_url=given.get("SLACK_BASE_URL"),
            timeout_s=TELL_S,
            sandbox=self._sandbox,
        )


def _result(told: Told) -> str:
    if told.verified:
        return f"Emergency stop of {told.hive}: verified. Nothing goes out any more."
    rest = "\n".join(f"• {one.what}: {one.text}. {one.remedy}" for one in told.residue)
    how = "this machine is stopped" if told.machine_stopped else "NOT STOPPED"
    return f"Emergency stop of {told.hive}: {how}. NOT VERIFIED:\n{rest}"
