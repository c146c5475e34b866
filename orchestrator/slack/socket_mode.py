"""Clicks over a WebSocket that we open. Owns: Slack without a public URL.

Trust comes from the app token: nothing is signed here. The SDK's client reads on threads of its
own and connects anew by itself once it was connected; the first connection is tried here until it
stands. Buttons are acknowledged first and worked on then; a form's acknowledgement carries its
answer. Slack may deliver twice, as everywhere.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as LateError
from typing import Any

import structlog
from slack_sdk.errors import SlackClientNotConnectedError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from orchestrator.slack import wire
from orchestrator.slack.acks import Ack
from orchestrator.slack.settings import SlackSettings

log = structlog.get_logger(__name__)
_ACK_S = 2.7  # of Slack's three seconds
_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_TIMEOUT_S, _JOIN_S = 8.0, 2.0


class SocketMode:
    """One connection. `handle` runs on the loop that calls `start`."""

    def __init__(
        self,
        settings: SlackSettings,
        handle: Callable[[Mapping[str, Any]], Awaitable[Ack]],
        pauses_s: Sequence[float] = _PAUSES_S,
    ) -> None:
        self._pauses_s = pauses_s
        self._settings = settings
        self._handle = handle
        self._closing = threading.Event()
        self._client: SocketModeClient | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def connected(self) -> bool:
        """Whether clicks can come in now."""
        return self._client is not None and self._client.is_connected()

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._connect, name="slack-socket", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Take no more clicks; bounded by the SDK's own time-outs."""
        self._closing.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _JOIN_S)  # a daemon
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    def _connect(self) -> None:
        settings = self._settings
        web = wire.web_client(None, settings.base_url, _TIMEOUT_S)
        client = SocketModeClient(
            settings.app_token or "", logger=wire.silent, web_client=web, concurrency=4
        )
        if wire.is_loopback(settings.base_url):
            client.proxy = None
        client.socket_mode_request_listeners.append(self._take)
        self._client = client
        attempt = 0
        while not self._closing.is_set():
            try:
                client.connect_to_new_endpoint(force=True)
                if client.is_connected():
                    log.info("slack_socket_open")
                    return
                trouble = "no connection"
            except wire.TROUBLE as error:
                trouble = wire.meaning("apps.connections.open", error).message
            log.warning("slack_socket_waits", why=trouble)
            self._closing.wait(self._pauses_s[min(attempt, len(self._pauses_s) - 1)])
            attempt += 1

    def _take(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """On a thread of the SDK's."""
        if request.type != "interactive":
            self._acknowledge(client, request, None)
            return
        form = request.payload.get("type") == "view_submission"
        if not form:
            self._acknowledge(client, request, None)
        assert self._loop is not None
        try:
            work = self._answer(request.payload)
            ack = asyncio.run_coroutine_threadsafe(work, self._loop).result(_ACK_S)
        except (LateError, CancelledError, RuntimeError) as error:
            log.warning("slack_socket_answer_late", error=type(error).__name__)
            return  # Slack tells the person that it did not work
        if form and ack.status == 200:
            self._acknowledge(client, request, ack.body)

    async def _answer(self, payload: Mapping[str, Any]) -> Ack:
        return await self._handle(payload)

    def _acknowledge(
        self,
        client: BaseSocketModeClient,
        request: SocketModeRequest,
        body: Mapping[str, Any] | None,
    ) -> None:
        response = SocketModeResponse(request.envelope_id, dict(body) if body else None)
        try:
            client.send_socket_mode_response(response)
        except (SlackClientNotConnectedError, OSError) as error:
            log.warning("slack_socket_lost", error=type(error).__name__)
