"""Slack's interactions. Owns: that they come from Slack, and that Slack is answered in its 3 s.

What a click means is decided by the handler that is handed the payload. One that takes longer than
Slack waits goes on in the background, and Slack gets an empty 200. Refuses everything that is not
signed by our app's secret within five minutes, before a byte of it is parsed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from guardrails.config.models.people import GatewayRules
from guardrails.errors import BadInput
from orchestrator.gateway.bodies import STATUS, Budget, read_unknown
from orchestrator.gateway.door import Refusals, plain
from orchestrator.gateway.proofs import SlackSecret
from orchestrator.inbox import document_of

log = structlog.get_logger(__name__)
Json = dict[str, Any]
Interactions = Callable[[Json], Awaitable[Mapping[str, Any] | None]]
_ANSWER_S = 2.5  # of Slack's 3
_BODY_S = 2.0


class Clicks:
    """The handler of `/slack/interactions`; closed (404) without secret or handler.

    Args:
        interactions: takes a verified payload; its JSON is the answer, None an empty one.
        now: seconds since the epoch by the wall's clock, never the sandbox's shifted one.
    """

    def __init__(
        self,
        rules: GatewayRules,
        refusals: Refusals,
        secret: SlackSecret | None,
        interactions: Interactions | None,
        now: Callable[[], float] = time.time,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._rules = rules
        self._refusals = refusals
        self._secret = secret
        self._interactions = interactions
        self._now = now
        self._answer_s = answer_s
        self._budget = Budget(32 * 1024 * 1024)
        self._unfinished: set[asyncio.Task[Mapping[str, Any] | None]] = set()

    async def handle(self, request: Request) -> Response:
        """Verify, parse, hand over, answer."""
        secret, interactions = self._secret, self._interactions
        if secret is None or interactions is None or request.method != "POST":
            return self._refusals.refuse(request, 404, "slack", "Slack is not set up, or no POST")
        timestamp = request.headers.get("x-slack-request-timestamp")
        signature = request.headers.get("x-slack-signature")
        if not timestamp or not signature:
            return self._refusals.refuse(request, 401, "slack", "no signature")
        seconds = min(self._rules.body_timeout_s, _BODY_S)
        body = await read_unknown(request, self._rules.max_body_bytes, seconds, self._budget)
        if (fault := body.fault) is not None:
            return self._refusals.refuse(request, STATUS[fault], "slack", f"body {fault.value}")
        if not secret.signed(body.content, timestamp, signature, self._now()):
            return self._refusals.refuse(request, 401, "slack", "the signature does not hold")
        payload = _payload(body.content)
        if payload is None:
            return Response("No payload in it\n", 400)
        return _answer(await self._hand_over(interactions, payload)) if payload else plain(200)

    async def finish(self) -> None:
        """Wait for handlers that are still at work."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)

    async def _hand_over(
        self, interactions: Interactions, payload: Json
    ) -> Mapping[str, Any] | None:
        task = asyncio.ensure_future(interactions(payload))
        self._unfinished.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=self._answer_s)
        return task.result() if done else None

    def _ended(self, task: asyncio.Task[Mapping[str, Any] | None]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("interaction_failed", error=type(error).__name__)


def _payload(body: bytes) -> Json | None:
    """The JSON in the form's `payload`; empty for Slack's own check of the URL; None: neither."""
    try:
        form = parse_qs(body.decode(), max_num_fields=10, strict_parsing=True)
        if "payload" in form:
            return document_of(form["payload"][0])
    except (ValueError, BadInput):
        return None
    return {} if form.get("ssl_check") == ["1"] else None


def _answer(document: Mapping[str, Any] | None) -> Response:
    return Response(status_code=200) if document is None else JSONResponse(dict(document))
