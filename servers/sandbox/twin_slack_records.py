"""One Slack workspace in memory. Owns: its people, channels, messages, modals and trigger ids.

Messages keep what they show now; an answer that only one person sees (ephemeral) is kept apart,
as no API of Slack's ever shows it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.common import contract_sandbox

Record = dict[str, Any]

TEAM_ID, APP_ID, BOT_USER_ID, BOT_ID = "T0SANDBOX", "A0SANDBOX", "U0SWARM", "B0SWARM"
CHANNEL_ID = "C0APPROVALS"
BOT_TOKEN = "xoxb-sandbox-0001"  # noqa: S105  (opens only the twin)
READ_ONLY_TOKEN = "xoxb-sandbox-readonly-0001"  # noqa: S105
SIGNING_SECRET = contract_sandbox.SLACK_SIGNING_SECRET
APP_TOKEN = "xapp-sandbox-0001"  # noqa: S105
WEBHOOK_PATH = f"/services/{TEAM_ID}/{BOT_ID}/sandboxwebhook"
PEOPLE: Mapping[str, str] = {
    "U0ANA01": "Ana Approver",
    "U0BEN02": "Ben Approver",
    "U0EVA03": "Eva Escalation",
    "U0CAI04": "Cai Approver",
    "U0DEA05": "Dea Approver",
    "U0NIL06": "Nils Nobody",
    BOT_USER_ID: "Swarm",
}
APPROVER_IDS = ("U0ANA01", "U0BEN02", "U0EVA03", "U0CAI04", "U0DEA05")
_UNSAID: Record = {"private_metadata": "", "callback_id": "", "external_id": ""}
_GIVEN = ("title", "blocks", "submit", "close", "errors", *_UNSAID)  # what a view is made of
_TRIGGER_S = 3.0
_LAST = 10_000  # ephemeral answers and webhook posts that are kept


@dataclass
class Channel:
    """A channel, and whether our bot is in it."""

    id: str
    name: str
    member: bool = True
    archived: bool = False
    messages: dict[str, Record] = field(default_factory=dict)  # ts to message, oldest first


@dataclass
class Trigger:
    """The right to open one modal, for three seconds."""

    user_id: str
    expires: float
    used: bool = False


class Workspace:
    """Everything in one workspace. `now` gives epoch seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._count = 0
        channels = (
            Channel(CHANNEL_ID, "approvals"),
            Channel("C0ELSEWHERE", "elsewhere", member=False),
            Channel("C0ARCHIVED", "archived", archived=True),
        )
        self.channels = {channel.id: channel for channel in channels}
        self.earlier: dict[str, list[list[Record]]] = {}  # ts to the blocks it once showed
        self.ephemeral: list[Record] = []
        self.views: dict[str, Record] = {}
        self.triggers: dict[str, Trigger] = {}

    def number(self) -> int:
        """The next of a row of numbers."""
        self._count += 1
        return self._count

    def stamp(self) -> str:
        """A message's ts: seconds, and digits that no other message has."""
        return f"{int(self._now())}.{self.number():06d}"

    def named(self, name: str) -> Channel | None:
        """A channel by its id, or by `#name`, which posting takes and updating does not."""
        by_name = {f"#{channel.name}": channel for channel in self.channels.values()}
        return self.channels.get(name) or by_name.get(name)

    def add(self, channel: Channel, message: Record) -> Record:
        """Post it; gives it its ts."""
        ts = self.stamp()
        author = {"type": "message", "user": BOT_USER_ID, "bot_id": BOT_ID, "app_id": APP_ID}
        channel.messages[ts] = author | message | {"ts": ts, "team": TEAM_ID}
        return channel.messages[ts]

    def whisper(self, channel: Channel, user_id: str, message: Record) -> str:
        """Show something to one person."""
        ts = self.stamp()
        if len(self.ephemeral) < _LAST:
            told = {"channel": channel.id, "user": user_id, "ts": ts, "at": self._now()}
            self.ephemeral.append(told | message)
        return ts

    def trigger(self, user_id: str) -> str:
        """A fresh trigger id for what this person just did."""
        number = self.number()
        mark = hashlib.blake2b(f"trigger {number}".encode(), digest_size=16).hexdigest()
        name = f"{number}.{int(self._now())}.{mark}"
        self.triggers[name] = Trigger(user_id, self._now() + _TRIGGER_S)
        return name

    def spend(self, trigger_id: str) -> tuple[str, str]:
        """Use a trigger id. Returns the person, or an empty text and Slack's word for why not."""
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            return "", "invalid_trigger_id"
        if trigger.used:
            return "", "exchanged_trigger_id"
        if self._now() > trigger.expires:
            return "", "expired_trigger_id"
        trigger.used = True
        return trigger.user_id, ""

    def open_view(self, user_id: str, view: Record) -> Record:
        """Show a modal to somebody."""
        number = self.number()
        view_id = f"V0{number:08d}"
        made: Record = {
            "id": view_id, "root_view_id": view_id, "team_id": TEAM_ID, "app_id": APP_ID,
            "bot_id": BOT_ID, "state": {"values": {}}, "previous_view_id": None,
            "user": user_id, "open": True,
        }  # fmt: skip
        kept = _UNSAID | view | made | {"hash": f"{int(self._now())}.{number:08x}"}
        self.views[view_id] = kept
        return kept

    def change_view(self, held: Record, view: Record) -> Record:
        """Show something else in an open modal: nothing of the old one is left."""
        for name in _GIVEN:
            held.pop(name, None)
        held |= _UNSAID | view | {"hash": f"{int(self._now())}.{self.number():08x}"}
        return held
