"""The Slack twin on a real loopback socket of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from guardrails.approval_model import Approval, ApprovalState
from guardrails.approvers import ApproverList, slack_ids
from guardrails.audit import AuditLog
from guardrails.hive import Hive
from guardrails.identity import lead_id
from guardrails.model import Decision, Draft, Mode
from guardrails.store import open_store
from orchestrator.approvals.case import Cases
from orchestrator.slack.acks import Ack
from orchestrator.slack.poster import Poster
from orchestrator.slack.service import Ground, SlackService
from orchestrator.slack.settings import SlackSettings
from servers.sandbox import twin_slack_acts as acts
from servers.sandbox.host import Sandbox
from servers.sandbox.twin_slack import SlackTwin
from servers.sandbox.twin_slack_records import CHANNEL_ID
from servers.sandbox.wire import Site
from servers.sandbox.world import World
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, DRAFT, LEAD, SALT, new_bank
from tests.guardrails.approval_samples import RULES, Waiting
from tests.guardrails.authorize_samples import CONFIGURED, Desk, in_mode
from tests.servers.served import served

_WORLD = World()
ABOUT = "E-mail to Ana Reyes, Northwind Studio"


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
        """Texts that one person alone was shown, without whom they are about."""
        held = self.twin.workspace.ephemeral
        texts = [one["text"] for one in held if user in (None, one["user"])]
        return [text.removeprefix(f"{ABOUT}: ") for text in texts]

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
    async with served(app, ws="auto") as env:
        yield Workspace(app, env)


@dataclass
class Office:
    """Drafts that wait, the people who may decide, and Slack between them."""

    waiting: Waiting
    slack: Workspace
    service: SlackService
    learned: list[str]

    @property
    def poster(self) -> Poster:
        return self.service.poster

    @property
    def clock(self) -> SteppableClock:
        return self.waiting.desk.clock

    def another(self) -> SlackService:
        """What a second gateway has."""
        return make_service(self.waiting, self.slack, self.learned)

    async def asked(self, number: int = 0, **about: Any) -> Approval:
        """A draft that waits; each number is another lead's."""
        asked = await self.waiting.asked(await self.decided(number), **about)
        self.clock.step(0.001)
        return asked

    async def decided(self, number: int = 0, draft: Draft = DRAFT) -> Decision:
        email = f"ana{number}@northwind.example"
        named = {"lead_id": lead_id(SALT, email), "dedupe_key": email, "email": email}
        lead = LEAD.model_copy(update=named)
        dossier = DOSSIER.model_copy(update={"lead": lead})
        return await self.waiting.desk.decided(dossier=dossier, draft=draft, run_id=f"run-{number}")

    async def posted(self, number: int = 0, **about: Any) -> tuple[Approval, str]:
        """A draft that waits, and the ts of its card."""
        asked = await self.asked(number, **about)
        await self.settle(2)
        return asked, self.card(asked)["ts"]

    async def settle(self, seconds: float = 40) -> None:
        """Let the poster go on, a second at a time."""
        for _ in range(int(seconds)):
            await self.poster.round()
            self.clock.step(1.2)

    def card(self, approval: Approval) -> dict[str, Any]:
        """What an approval's card shows now; there is exactly one."""
        name = f"card:{approval.approval_id}"
        cards = [
            message
            for message in self.slack.messages
            if message.get("metadata", {}).get("event_payload", {}).get("id") == name
        ]
        assert len(cards) == 1
        return cards[0]

    def thread(self, approval: Approval) -> list[str]:
        """Texts in a card's thread."""
        ts = self.card(approval)["ts"]
        return [m["text"] for m in self.slack.messages if m.get("thread_ts") == ts]

    async def click(
        self, by: str, ts: str, action: str, spoiled: dict[str, Any] | None = None
    ) -> Ack:
        """Press a button, and let the work be done. `spoiled` replaces parts of the payload."""
        asked = {"user": by, "ts": ts, "action_id": action}
        payload = acts.click_payload(self.slack.twin.workspace, 1.0, asked) | (spoiled or {})
        ack = await self.service.interact(payload)
        await self.service.interactions.drain()
        return ack

    async def submit(self, user: str, values: dict[str, str] | None = None) -> Ack:
        """Fill in the open modal of somebody, and send it off."""
        workspace = self.slack.twin.workspace
        view_id = next(v["id"] for v in reversed(workspace.views.values()) if v["user"] == user)
        asked = {"user": user, "view_id": view_id, "values": values or {}}
        ack = await self.service.interact(acts.submit_payload(workspace, asked))
        acts.take_answer(workspace, view_id, orjson.dumps(ack.body) if ack.body else b"")
        await self.service.interactions.drain()
        return ack

    async def state(self, approval: Approval) -> ApprovalState:
        found = await self.waiting.approvals.get(approval.approval_id)
        assert found is not None
        return found.state


def make_service(waiting: Waiting, slack: Workspace, learned: list[str]) -> SlackService:
    settings = SlackSettings.of(slack.env, sandbox=True)
    assert settings is not None
    desk = waiting.desk

    async def learn() -> None:
        learned.append("folded")

    cases = Cases(desk.audit, desk.store)
    ground = Ground(desk.store, waiting.another(), cases, RULES, desk.clock, learn)
    return SlackService(settings, ground)


@pytest.fixture
async def office(hive: Hive, clock: SteppableClock, slack: Workspace) -> AsyncIterator[Office]:
    store = open_store(hive)  # test_outbox.py runs the SQL on both databases
    audit = AuditLog(hive, store, clock)
    desk = Desk(hive, store, clock, audit, new_bank(hive, clock), in_mode(Mode.ASSISTED))
    waiting = Waiting(desk)
    waiting.people = ApproverList.of(
        CONFIGURED.approvers, slack_ids(slack.env["SLACK_APPROVER_IDS"]), hive.salt()
    )
    waiting.approvals = waiting.another()
    learned: list[str] = []
    service = make_service(waiting, slack, learned)
    yield Office(waiting, slack, service, learned)
    await service.interactions.drain()
    service.close()
    audit.close()
    store.close()
