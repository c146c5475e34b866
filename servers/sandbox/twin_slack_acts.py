"""What people do in Slack, in Slack's own words. Owns: interaction payloads and their signature.

A button can be pressed that the message no longer has: somebody's screen was behind. What no
Slack client lets a person do (a button that was never there, a form without its required field)
is impossible here too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from servers.sandbox import twin_slack_records as records
from servers.sandbox.twin_slack_records import Record, Workspace

_OWN = frozenset({"user", "open"})  # what the workspace keeps with a view and Slack never says


class Impossible(Exception):
    """No Slack client would let a person do that."""


def shows(workspace: Workspace) -> Record:
    """What is to be seen: channels with messages and threads, private answers, open modals."""
    channels = {
        channel.id: list(channel.messages.values()) for channel in workspace.channels.values()
    }
    views = [view for view in workspace.views.values() if view["open"]]
    return {"channels": channels, "ephemeral": workspace.ephemeral, "views": views}


def people() -> Mapping[str, str]:
    """Who is there: user id to name, without our own bot."""
    return {user: name for user, name in records.PEOPLE.items() if user != records.BOT_USER_ID}


def close_view(workspace: Workspace, asked: Mapping[str, Any]) -> None:
    """Close an open modal of one's own."""
    view = workspace.views.get(asked["view_id"])
    if view is None or view["user"] != asked["user"]:
        raise Impossible("that modal is not open")
    view["open"] = False


def click_payload(workspace: Workspace, now: float, asked: Mapping[str, Any]) -> Record:
    """The `block_actions` payload of a pressed button."""
    channel = workspace.channels[asked.get("channel", records.CHANNEL_ID)]
    message = channel.messages.get(asked["ts"])
    if message is None:
        raise Impossible("there is no such message")
    versions = [message["blocks"], *reversed(workspace.earlier.get(message["ts"], []))]
    found = next((b for shown in versions for b in _buttons(shown, asked["action_id"])), None)
    if found is None:
        raise Impossible("the message never had that button")
    block_id, button = found
    thread = {"thread_ts": message["thread_ts"]} if message.get("thread_ts") else {}
    action = {
        "action_id": button["action_id"], "block_id": block_id, "text": button["text"],
        "type": "button", "action_ts": f"{now:.6f}",
    }  # fmt: skip
    action |= {name: button[name] for name in ("value", "style") if name in button}
    container = {
        "type": "message", "message_ts": message["ts"], "channel_id": channel.id,
        "is_ephemeral": False,
    }  # fmt: skip
    return _head(workspace, "block_actions", asked["user"]) | {
        "container": container | thread,
        "channel": {"id": channel.id, "name": channel.name},
        "message": message,
        "state": {"values": {}},
        "response_url": f"https://hooks.slack.example/actions/{records.TEAM_ID}/1/x",
        "actions": [action],
    }


def submit_payload(workspace: Workspace, asked: Mapping[str, Any]) -> Record:
    """The `view_submission` payload of a modal that was filled in and sent off."""
    view = workspace.views.get(asked["view_id"])
    if view is None or not view["open"]:
        raise Impossible("that modal is not open")
    if view["user"] != asked["user"]:
        raise Impossible("that modal is open for somebody else")
    values = dict(asked.get("values", {}))
    state = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            element, given = block["element"], values.pop(block["block_id"], None)
            state[block["block_id"]] = {element["action_id"]: _filled(block, given)}
    if values:
        raise Impossible(f"the modal has no {', '.join(sorted(values))}")
    said = {name: value for name, value in view.items() if name not in _OWN}
    said |= {"state": {"values": state}}
    return _head(workspace, "view_submission", asked["user"]) | {"view": said, "response_urls": []}


def take_answer(workspace: Workspace, view_id: str, body: bytes) -> None:
    """Do with the modal what the app's acknowledgement says."""
    view = workspace.views[view_id]
    answer = orjson.loads(body) if body.strip() else {}
    action = answer.get("response_action")
    if action == "update":
        workspace.change_view(view, answer["view"])
    elif action == "errors":
        view["errors"] = answer["errors"]
    else:
        view["open"] = False


def form(payload: Record) -> bytes:
    """A payload as Slack sends it."""
    return urlencode({"payload": orjson.dumps(payload).decode()}).encode()


def signed(body: bytes, timestamp: str, secret: str = records.SIGNING_SECRET) -> dict[str, str]:
    """The headers of a request of Slack's with this raw body."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest(),
    }


def _head(workspace: Workspace, kind: str, user_id: str) -> Record:
    name = records.PEOPLE[user_id].split()[0].lower()
    return {
        "type": kind,
        "user": {"id": user_id, "username": name, "name": name, "team_id": records.TEAM_ID},
        "api_app_id": records.APP_ID,
        "token": "deprecated",
        "trigger_id": workspace.trigger(user_id),
        "team": {"id": records.TEAM_ID, "domain": "sandbox"},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _buttons(blocks: list[Record], action_id: str) -> Iterator[tuple[str, Record]]:
    for number, block in enumerate(blocks):
        for element in [*block.get("elements", ()), block.get("accessory") or {}]:
            if element.get("action_id") == action_id and element.get("type") == "button":
                yield block.get("block_id", f"b{number}"), element


def _filled(block: Record, given: Any) -> Record:
    element = block["element"]
    if element["type"] == "static_select":
        return {"type": "static_select", "selected_option": _option(block, given)}
    text = element.get("initial_value") if given is None else str(given)
    if not text and not block.get("optional"):
        raise Impossible(f"{block['block_id']} must be filled in")
    if text and len(text) > element.get("max_length", 3000):
        raise Impossible(f"{block['block_id']} is too long")
    return {"type": "plain_text_input", "value": text or None}


def _option(block: Record, given: Any) -> Record | None:
    element = block["element"]
    options = {option["value"]: option for option in element["options"]}
    chosen: Record | None = options.get(given) or element.get("initial_option")
    if given is not None and given not in options:
        raise Impossible(f"{block['block_id']} has no option {given}")
    if chosen is None and not block.get("optional"):
        raise Impossible(f"{block['block_id']} must be chosen")
    return chosen
