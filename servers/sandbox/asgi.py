"""Bytes in and out of the twins. Owns: reading a request's body, and an answer on its way out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

JSON = b"application/json; charset=utf-8"


@dataclass(slots=True)
class Reply:
    """An answer: status, body bytes, content type and further headers."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: dict[str, str] = field(default_factory=dict)


def reply(status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
    """A JSON answer."""
    return Reply(status, orjson.dumps(value), headers=headers or {})


class Gone(Exception):
    """The caller hung up before the request was whole. No vendor acts on half a request."""


async def read_body(receive: Receive) -> bytes:
    """The whole request body. Raises Gone when it does not come."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        more = bool(message.get("more_body"))
    return body


async def send_reply(answer: Reply, send: Send) -> None:
    """Write an answer to the socket."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    headers += [(k.lower().encode(), v.encode()) for k, v in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
