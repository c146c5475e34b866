"""One MCP server process and the conversation with it. Owns: handshake, calls, the end.

A client of our own on `asyncio` callbacks (see docs/adr/0003): newline-delimited JSON-RPC without
tasks or threads per message. The process's death, not the end of a pipe, ends the session, so a
grandchild that holds stdout cannot make a call hang; stderr goes to a file, so nothing has to be
drained; invalid bytes on stdout spoil one line and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from guardrails import tracing
from guardrails.correlation import current
from guardrails.errors import Failure, ServerUnavailable, SwarmError
from orchestrator.nursery import NotForked, Nursery
from orchestrator.processes import Process, ServerSpec, Spawned
from servers.common.contract import FAILURE_META, ToolSpec

PROTOCOL_VERSION = "2025-11-25"
_GRACE_S = 2.0
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


class ToolFailed(SwarmError):
    """A tool answered with a structured failure; `failure` says what the queen may do."""

    code = "tool_failed"

    def __init__(self, failure: Failure) -> None:
        super().__init__(
            failure.message, remedy=failure.remedy, retry_after_s=failure.retry_after_s
        )
        self.failure = failure

    def as_failure(self) -> Failure:
        """The failure as the server stated it."""
        return self.failure


class Session:
    """A running server. Made by `Session.start`; dead once `exited` is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exited = asyncio.Event()
        self.protocol_version = PROTOCOL_VERSION
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._buffer = bytearray()
        self._process: Process | None = None

    @classmethod
    async def start(
        cls, spec: ServerSpec, *, log_file: Path, timeout_s: float, nursery: Nursery | None = None
    ) -> Session:
        """Start the server, forked by the nursery if there is one and it can, and shake hands.

        The server gets a session of its own, a few harmless variables and `spec.env`, nothing
        else (P8).

        Raises:
            ServerUnavailable: it cannot be started, or did not answer in `timeout_s` seconds.
        """
        session = cls(spec.name)
        try:
            session._process = await session._launch(spec, log_file, nursery)
        except OSError as error:
            raise ServerUnavailable(f"{spec.name} cannot be started: {error}") from error
        try:
            await session._handshake(timeout_s)
        except BaseException:
            await session.close(grace_s=0.0)
            raise
        return session

    async def _launch(self, spec: ServerSpec, log_file: Path, nursery: Nursery | None) -> Process:
        with log_file.open("ab") as log:
            if nursery is not None:
                with contextlib.suppress(NotForked):
                    return await nursery.fork(spec, self, log)
            return await Spawned.start(spec, self, log)

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    async def call(self, spec: ToolSpec[A, R], args: A, timeout_s: float) -> R:
        """Call a tool and return its typed result.

        Raises:
            ToolFailed: the tool answered with a failure.
            ServerUnavailable: the server died, hung past `timeout_s`, or broke the protocol.
        """
        params: dict[str, Any] = {
            "name": spec.name,
            "arguments": args.model_dump(mode="json", exclude_unset=True),
        }
        with tracing.span(f"call {self.name}.{spec.name}"):
            if meta := current().as_meta() | tracing.as_meta():
                params["_meta"] = meta
            result = await self._request("tools/call", params, timeout_s)
        content = result.get("structuredContent")
        if result.get("isError"):
            raise ToolFailed(_failure(self.name, spec.name, result))
        try:
            return spec.result.model_validate(content)
        except ValidationError as error:
            raise ServerUnavailable(
                f"{self.name}.{spec.name} answered in another form than its contract",
                remedy="Queen and server are of different versions: restart the swarm.",
            ) from error

    async def ping(self, timeout_s: float) -> None:
        """Have the server list its tools: a question that goes through its dispatch.

        Raises:
            ServerUnavailable: no answer in time.
        """
        await self._request("tools/list", {}, timeout_s)

    async def close(self, grace_s: float = _GRACE_S) -> None:
        """End the server: close stdin, wait, TERM to its group, wait, KILL. Never raises."""
        if self._process is None:
            return
        self._process.stdin.close()
        if not await self._gone(grace_s):
            self._signal(signal.SIGTERM)
            if not await self._gone(grace_s):
                self._signal(signal.SIGKILL)
                await self._gone(_GRACE_S)
        self._signal(signal.SIGKILL)  # sweep what is left of the group
        self._process.close()

    async def kill(self) -> None:
        """Kill the server's process group at once (it hangs), and wait until it is gone."""
        self._signal(signal.SIGKILL)
        await self._gone(_GRACE_S)

    def on_data(self, data: bytes) -> None:
        """Bytes of the server's stdout."""
        self._buffer += data
        if b"\n" not in data:
            return
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            self._on_line(line)

    def _on_line(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            return  # stray output: the call it may have belonged to ends by its time limit
        if not isinstance(message, dict):
            return
        if "method" in message:
            self._answer(message)
            return
        future = self._pending.pop(message.get("id", 0), None)
        if future is not None and not future.done():
            future.set_result(message)

    def on_exit(self) -> None:
        """The process is dead: every pending call ends now."""
        self.exited.set()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ServerUnavailable(f"{self.name} died during the call"))
        self._pending.clear()

    async def _handshake(self, timeout_s: float) -> None:
        client = {"name": "chiefaiofficer-queen", "version": "0.1.0"}
        params = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client}
        answer = await self._request("initialize", params, timeout_s)
        self.protocol_version = str(answer.get("protocolVersion"))
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def _request(
        self, method: str, params: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            async with asyncio.timeout(timeout_s):
                message = await future
        except TimeoutError as error:
            self._cancel(number)
            raise ServerUnavailable(
                f"{self.name} did not answer {method} within {timeout_s:g} s"
            ) from error
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            self._pending.pop(number, None)
        if "error" in message:
            detail = message["error"].get("message", "protocol error")
            raise ServerUnavailable(f"{self.name} refused {method}: {detail}")
        result = message.get("result")
        return result if isinstance(result, dict) else {}

    def _send(self, message: dict[str, Any]) -> None:
        if self.exited.is_set() or self._process is None or self._process.stdin.is_closing():
            raise ServerUnavailable(f"{self.name} is not running")
        self._process.stdin.write(orjson.dumps(message) + b"\n")

    def _cancel(self, number: int) -> None:
        try:
            params = {"requestId": number, "reason": "time limit"}
            self._send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        except ServerUnavailable:
            return  # it is dead: nothing to cancel

    def _answer(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            return  # a notification
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "ping":
            reply["result"] = {}
        else:
            reply["error"] = {"code": -32601, "message": "the queen offers no such method"}
        self._send(reply)

    async def _gone(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.exited.wait()
        except TimeoutError:
            return self.exited.is_set()
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def _failure(server: str, tool: str, result: dict[str, Any]) -> Failure:
    told = (result.get("_meta") or {}).get(FAILURE_META)
    if told is not None:
        return Failure.model_validate(told)
    texts = [str(part.get("text", "")) for part in result.get("content", [])]
    return Failure(
        code="tool_error",
        message=f"{server}.{tool}: {' '.join(texts) or 'failed without a message'}",
        remedy="See the server's log in .hive-mind/logs/.",
        retryable=False,
    )
