"""Calls of Slack's Web API, in and out. Owns: arguments in both forms, refusals, paging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from servers.sandbox import twin_slack_rules as rules
from servers.sandbox.asgi import Reply, reply
from servers.sandbox.twin_slack_records import Record
from servers.sandbox.wire import Call, Refused

Asked = dict[str, Any]


def refuse(error: str, **more: Any) -> Refused:
    """Slack's refusal: HTTP 200, and no."""
    return Refused(reply(200, {"ok": False, "error": error} | more))


def shown(asked: Asked, most: int = rules.MESSAGE_BLOCKS) -> Record:
    """The text and blocks of a message, or Slack's refusal of them."""
    text, blocks = asked.get("text") or "", asked.get("blocks") or []
    if not text and not blocks:
        raise refuse("no_text")
    if len(text) > rules.TEXT_CHARACTERS:
        raise refuse("msg_too_long")
    if found := rules.offences(blocks, most):
        raise refuse("invalid_blocks", errors=found, response_metadata={"messages": found})
    if rules.characters(blocks) > rules.MESSAGE_CHARACTERS:
        raise refuse("msg_blocks_too_long")
    return {"text": text, "blocks": blocks}


def view_of(asked: Asked) -> Record:
    """The asked modal, or Slack's refusal of it."""
    view = asked.get("view")
    if len(orjson.dumps(view)) > rules.VIEW_BYTES:
        raise refuse("view_too_large")
    if found := rules.view_offences(view):
        raise refuse("invalid_arguments", response_metadata={"messages": found})
    assert isinstance(view, dict)
    return view


def method(handler: Callable[[Asked], Record]) -> Callable[[Call], Reply]:
    """A Web API method over its arguments."""

    def handle(call: Call) -> Reply:
        return reply(200, {"ok": True} | handler(arguments(call)))

    return handle


def arguments(call: Call) -> Asked:
    """Arguments as JSON or as a form; in a form, structures are JSON texts."""
    if (call.header(b"content-type") or "").startswith("application/json"):
        try:
            asked = call.json()
        except ValueError:
            raise refuse("invalid_json") from None
        if not isinstance(asked, dict):
            raise refuse("json_not_object")
        return asked
    form: Asked = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    for name in ("blocks", "metadata", "view"):
        if name in form:
            form[name] = orjson.loads(form[name])
    return form


def page_of(held: list[Record], asked: Asked) -> Record:
    """Messages in the asked span; metadata only when asked for."""
    oldest, latest = str(asked.get("oldest") or "0"), str(asked.get("latest") or "9" * 12)
    exact = str(asked.get("inclusive")) in ("1", "true", "True")
    inside = [
        m for m in held if oldest < m["ts"] < latest or (exact and m["ts"] in (oldest, latest))
    ]
    start, most = int(asked.get("cursor") or 0), int(asked.get("limit") or 100)
    page = inside[start : start + most]
    if str(asked.get("include_all_metadata")) not in ("1", "true", "True"):
        page = [{k: v for k, v in m.items() if k != "metadata"} for m in page]
    more = start + most < len(inside)
    cursor = str(start + most) if more else ""
    return {"messages": page, "has_more": more, "response_metadata": {"next_cursor": cursor}}
