"""The six servers, started to be asked and ended again. Owns: their short lives.

Keys are tried where they live, in the processes that hold them (P8). They are started in shadow, so
that nothing could be written whatever they were asked. One that does not start is an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from guardrails.errors import ServerUnavailable, SwarmError
from orchestrator.mcp_session import Session
from orchestrator.preflight.model import Check, fail, ok
from orchestrator.processes import ServerSpec
from servers.common.contract import ToolSpec

START_S = 60.0
CALL_S = 60.0
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


class Servers:
    """Those that started, and why the others did not."""

    def __init__(self, running: Mapping[str, Session], problems: Mapping[str, str]) -> None:
        self._running = running
        self.problems = problems

    async def ask(self, server: str, spec: ToolSpec[A, R], args: A) -> R:
        """Call a tool.

        Raises:
            ServerUnavailable: it did not start, died or hung.
            ToolFailed: the tool's own answer.
        """
        session = self._running.get(server)
        if session is None:
            why = self.problems.get(server, "it was not started")
            raise ServerUnavailable(
                f"its server does not run: {why}",
                remedy="Mend that first; this is asked again at the next preflight.",
            )
        return await session.call(spec, args, CALL_S)

    def check(self) -> Check:
        """Whether all of them started."""
        if self.problems:
            told = "; ".join(f"{name}: {why}" for name, why in sorted(self.problems.items()))
            return fail(
                "servers", told, "Mend what it names; logs/preflight-<server>.log has it all."
            )
        return ok("servers", f"{', '.join(sorted(self._running))} started and shook hands")


@asynccontextmanager
async def running_servers(specs: Sequence[ServerSpec], logs: Path) -> AsyncIterator[Servers]:
    """All of them side by side; each ends with the block."""
    running: dict[str, Session] = {}
    problems: dict[str, str] = {}

    async def start(spec: ServerSpec) -> None:
        log = logs / f"preflight-{spec.name}.log"
        begins = log.stat().st_size if log.exists() else 0
        try:
            running[spec.name] = await Session.start(spec, log_file=log, timeout_s=START_S)
        except SwarmError as error:
            problems[spec.name] = _last_words(log, begins) or error.message

    try:
        async with asyncio.TaskGroup() as group:
            for spec in specs:
                group.create_task(start(spec))
        yield Servers(running, problems)
    finally:
        await asyncio.gather(*(session.close() for session in running.values()))


def _last_words(log: Path, begins: int) -> str:
    """What it said this time of why it does not start; empty when it did not know."""
    try:
        with log.open("rb") as file:
            file.seek(begins)
            said = file.read(4000).decode("utf-8", "replace")
    except OSError:
        return ""
    for line in reversed(said.splitlines()):
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and isinstance(told.get("message"), str):
                return f"{told['message'][:200]}"
    return ""
