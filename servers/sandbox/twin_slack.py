"""The Slack twin, and the people who use it. Owns: what a channel shows, clicks, sent forms.

`GET /_people/` is a page that shows the channel and lets a person click; `GET /_people/shows` says
the same as JSON. `POST /_people/click` and `/_people/submit` do what a person does: the payload is
the one Slack sends, as a form, signed, to the app's request URL (switch `slack_request_url`, or
`url` in the request) or over an open Socket Mode connection, and Slack's three seconds count.
These paths are no part of Slack and are not counted as its calls.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from servers.sandbox import twin_slack_acts as acts
from servers.sandbox.asgi import Gone, Receive, Reply, Scope, Send, read_body, reply, send_reply
from servers.sandbox.leads import Row
from servers.sandbox.twin_slack_acts import Impossible
from servers.sandbox.twin_slack_api import SlackApi
from servers.sandbox.twin_slack_page import page
from servers.sandbox.twin_slack_records import Record
from servers.sandbox.twin_slack_socket import PATIENCE_S
from servers.sandbox.twin_visits import fitting, payload, webhook

_PEOPLE = "/_people/"
_JSON = {"Content-Type": "application/json"}


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

    _visits = 0
    _visitors: Sequence[Row] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "websocket":
            await self.sockets.serve(path, receive, send)
            return
        if scope["type"] == "http" and path.startswith(_PEOPLE):
            with contextlib.suppress(Gone):
                body = await read_body(receive)
                act = path.removeprefix(_PEOPLE)
                await send_reply(await self._people(scope["method"], act, body), send)
            return
        await super().__call__(scope, receive, send)

    async def _people(self, method: str, act: str, body: bytes) -> Reply:
        if method == "GET":
            if act == "shows":
                return reply(200, acts.shows(self.workspace))
            if act == "people":
                return reply(200, acts.people())
            return page(act) or reply(404, {"error": f"nothing is at {act}"})
        acts_there = {
            "click": self.click, "submit": self.submit, "close": self.close,
            "visit": self.visit, "hang_up": self.hang_up,
        }  # fmt: skip
        if act not in acts_there:
            return reply(404, {"error": f"nobody can {act}"})
        try:
            asked = orjson.loads(body or b"{}")
            return reply(200, await acts_there[act](asked))
        except (ValueError, TypeError, KeyError) as error:
            return reply(422, {"error": f"cannot be understood: {error!r}"})
        except Impossible as impossible:
            return reply(409, {"error": str(impossible)})

    async def click(self, asked: Mapping[str, Any]) -> Record:
        """`{user, ts, action_id[, channel, url]}`: press a button that stands, or stood, there."""
        pressed = acts.click_payload(self.workspace, self.now(), asked)
        return (await self._deliver(pressed, asked)).report()

    async def submit(self, asked: Mapping[str, Any]) -> Record:
        """`{user, view_id, values: {block_id: value}[, url]}`: send off an open modal."""
        sent = acts.submit_payload(self.workspace, asked)
        heard = await self._deliver(sent, asked)
        if heard.status == 200:
            acts.take_answer(self.workspace, asked["view_id"], heard.body)
        return heard.report()

    async def close(self, asked: Mapping[str, Any]) -> Record:
        """`{user, view_id}`: close an open modal; the app hears nothing of it."""
        acts.close_view(self.workspace, asked)
        return {}

    async def visit(self, asked: Mapping[str, Any]) -> Record:
        """A visitor comes to the website, and RB2B tells the gateway beside this Slack."""
        number, self._visits = self._visits, self._visits + 1
        if not self._visitors:
            self._visitors = fitting()
        row = self._visitors[number % len(self._visitors)]
        seen = payload(row, number, self.site.clock())
        url = webhook(self._request_url(asked))
        return (await self._post(url, orjson.dumps(seen), _JSON)).report()

    async def hang_up(self, asked: Mapping[str, Any]) -> Record:
        """Ask every Socket Mode connection to be opened anew."""
        return {"connections": await self.sockets.hang_up()}

    async def _deliver(self, payload: Record, asked: Mapping[str, Any]) -> Heard:
        if self.sockets.open and not asked.get("url"):
            return await self._deliver_by_socket(payload)
        body = acts.form(payload)
        headers = acts.signed(body, str(int(time.time())))  # Slack knows no sandbox clock
        return await self._post(self._request_url(asked), body, headers)

    def _request_url(self, asked: Mapping[str, Any]) -> str:
        url = asked.get("url") or self.site.behaviour.slack_request_url
        if not url:
            raise Impossible("the app has no request URL: set the switch slack_request_url")
        return str(url)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Heard:
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
