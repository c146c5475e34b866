"""Slack's interactions. Owns: that they come from Slack, and that Slack is answered in its 3 s.

What a click means is decided by the handler that is handed the payload. One that takes longer than
Slack waits goes on in the background, and Slack gets an empty 200. Refuses everything that is not
signed by our app's secret within five minutes, before a byte of it is parsed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
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
from orchestrator.slack.acks import Ack

log = structlog.get_logger(__name__)
Json = dict[str, Any]
Interactions = Callable[[Json], Awaitable[Ack]]
_ANSWER_S = 2.5  # of Slack's 3
_BODY_S = 2.0


class Clicks:
    """The handler of `/slack/interactions`; closed (404) without secret or handler.

    Args:
        interactions: takes a verified payload, and says what Slack is answered.
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
        self._unfinished: set[asyncio.Task[Ack]] = set()

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
        if not payload:
            return plain(200)
        ack = await self._hand_over(interactions, payload)
        return Response(status_code=ack.status) if ack.body is None else _json(ack)

    async def finish(self) -> None:
        """Wait for handlers that are still at work."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)

    async def _hand_over(self, interactions: Interactions, payload: Json) -> Ack:
        task = asyncio.ensure_future(interactions(payload))
        self._unfinished.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=self._answer_s)
        return task.result() if done else Ack()

    def _ended(self, task: asyncio.Task[Ack]) -> None:
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


def _json(ack: Ack) -> Response:
    return JSONResponse(dict(ack.body or {}), ack.status)
