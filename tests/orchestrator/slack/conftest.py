"""The Slack twin on a real loopback socket of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from servers.sandbox.host import Sandbox
from servers.sandbox.twin_slack import SlackTwin
from servers.sandbox.twin_slack_records import CHANNEL_ID
from servers.sandbox.wire import Site
from servers.sandbox.world import World
from tests.servers.served import served

_WORLD = World()


@dataclass
class Workspace:
    """A running sandbox and what stands in its Slack."""

    app: Sandbox
    env: dict[str, str]

    @property
    def twin(self) -> SlackTwin:
        twin = self.app.twins["slack"]
        assert isinstance(twin, SlackTwin)
        return twin

    @property
    def base_url(self) -> str:
        return self.env["SLACK_BASE_URL"]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the approvals channel shows now, oldest first, threads included."""
        return list(self.twin.workspace.channels[CHANNEL_ID].messages.values())

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages]

    def told(self, user: str | None = None) -> list[str]:
        """Texts that one person alone was shown."""
        held = self.twin.workspace.ephemeral
        return [one["text"] for one in held if user in (None, one["user"])]

    def behave(self, **switches: Any) -> None:
        behaviour = self.app.site.behaviour
        self.app.site.behaviour = type(behaviour).model_validate(behaviour.model_dump() | switches)

    def calls(self, method: str) -> int:
        """How often a Web API method was asked."""
        slack = self.app.site.counters.report()["by_vendor"].get("slack", {"endpoints": []})
        return sum(one["count"] for one in slack["endpoints"] if one["path"] == f"/api/{method}")


@pytest.fixture
async def slack(clock: Any) -> AsyncIterator[Workspace]:
    app = Sandbox(Site(_WORLD, clock))
    async with served(app) as env:
        yield Workspace(app, env)
