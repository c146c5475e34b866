"""The Slack twin, and the people who use it. Owns: what a channel shows, clicks, sent forms.

`GET /_people/shows` tells what is to be seen. `POST /_people/click` and `/_people/submit` do what
a person does: the payload is the one Slack sends, as a form, signed, to the app's request URL
(switch `slack_request_url`, or `url` in the request) or over an open Socket Mode connection, and
Slack's three seconds count. `POST /_people/hang_up` asks those to be opened anew. These
paths are no part of Slack and are not counted as its calls.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from servers.sandbox import twin_slack_acts as acts
from servers.sandbox.asgi import Receive, Reply, Scope, Send, read_body, reply, send_reply
from servers.sandbox.twin_slack_acts import Impossible
from servers.sandbox.twin_slack_api import SlackApi
from servers.sandbox.twin_slack_records import Record
from servers.sandbox.twin_slack_socket import PATIENCE_S

_PEOPLE = "/_people/"


@dataclass(frozen=True)
class Heard:
    """What the app answered to an interaction; `status` is 0 when it did not answer in time."""

    status: int
    body: bytes
    took_ms: float

    def report(self) -> Record:
        """As the control paths tell it."""
        return {
            "status": self.status, "body": self.body.decode(errors="replace"),
            "took_ms": round(self.took_ms, 1), "accepted": self.status == 200,
        }  # fmt: skip


class SlackTwin(SlackApi):
    """One workspace with our app and some people in it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "websocket":
            await self.sockets.serve(path, receive, send)
            return
        if scope["type"] == "http" and path.startswith(_PEOPLE):
            body = await read_body(receive)
            await send_reply(await self._people(scope["method"], path, body), send)
            return
        await super().__call__(scope, receive, send)

    async def _people(self, method: str, path: str, body: bytes) -> Reply:
        act = path.removeprefix(_PEOPLE)
        try:
            if (method, act) == ("GET", "shows"):
                return reply(200, acts.shows(self.workspace))
            if (method, act) == ("POST", "hang_up"):
                return reply(200, {"connections": await self.sockets.hang_up()})
            asked = orjson.loads(body)
            if (method, act) == ("POST", "click"):
                return reply(200, await self.click(asked))
            if (method, act) == ("POST", "submit"):
                return reply(200, await self.submit(asked))
        except (ValueError, TypeError, KeyError) as error:
            return reply(422, {"error": f"cannot be understood: {error!r}"})
        except Impossible as impossible:
            return reply(409, {"error": str(impossible)})
        return reply(404, {"error": f"nobody can {act}"})

    async def click(self, asked: Mapping[str, Any]) -> Record:
        """`{user, ts, action_id[, channel, url]}`: press a button that stands, or stood, there."""
        payload = acts.click_payload(self.workspace, self.now(), asked)
        return (await self._deliver(payload, asked)).report()

    async def submit(self, asked: Mapping[str, Any]) -> Record:
        """`{user, view_id, values: {block_id: value}[, url]}`: send off an open modal."""
        payload = acts.submit_payload(self.workspace, asked)
        heard = await self._deliver(payload, asked)
        if heard.status == 200:
            acts.take_answer(self.workspace, asked["view_id"], heard.body)
        return heard.report()

    async def _deliver(self, payload: Record, asked: Mapping[str, Any]) -> Heard:
        url = asked.get("url") or self.site.behaviour.slack_request_url
        if not url and self.sockets.open:
            return await self._deliver_by_socket(payload)
        if not url:
            raise Impossible("the app has no request URL: set the switch slack_request_url")
        body = acts.form(payload)
        headers = acts.signed(body, str(int(time.time())))  # Slack knows no sandbox clock
        started = time.perf_counter()
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
                answer = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return Heard(0, type(error).__name__.encode(), (time.perf_counter() - started) * 1000)
        return Heard(answer.status_code, answer.content, (time.perf_counter() - started) * 1000)

    async def _deliver_by_socket(self, payload: Record) -> Heard:
        started = time.perf_counter()
        said = await self.sockets.deliver(payload)
        took_ms = (time.perf_counter() - started) * 1000
        if said is None:
            return Heard(0, b"no acknowledgement", took_ms)
        return Heard(200, orjson.dumps(said["payload"]) if said.get("payload") else b"", took_ms)
