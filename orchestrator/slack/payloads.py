"""What Slack sends, and what it is answered. Owns: reading a click; the forms of an answer."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.slack import cards, modals
from orchestrator.slack.acks import Ack
from orchestrator.slack.client import Place


@dataclass(frozen=True)
class Click:
    """A pressed button of ours."""

    user_id: str
    action: str
    approval_id: str
    content_hash: str
    place: Place
    trigger_id: str
    about: str  # whom the card is about, in plain words; empty when it does not say

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Click | None:
        """From a `block_actions` payload; None when it is no button of ours."""
        (action,) = payload["actions"]
        value = cards.read_value(action.get("value"))
        if value is None or action["action_id"] not in (cards.APPROVE, cards.EDIT, cards.REJECT):
            return None
        container = payload["container"]
        place = Place(str(container["channel_id"]), str(container["message_ts"]))
        user, trigger = str(payload["user"]["id"]), str(payload["trigger_id"])
        whom, found, _ = str(payload["message"]["text"]).partition(cards.SEPARATOR)
        about = html.unescape(whom) if found else ""
        return cls(user, action["action_id"], *value, place, trigger, about)


def say(text: str) -> Ack:
    """The answer to a form: shown in the modal instead of it."""
    return Ack(body={"response_action": "update", "view": modals.answering(text)})


def correct(block_id: str, text: str) -> Ack:
    """The form stays open: this field of it is wrong."""
    return Ack(body={"response_action": "errors", "errors": {block_id: text}})
