"""Holding every campaign at Instantly while the swarm is stopped. Owns: two processes of its own.

Guardrails gives leave and Instantly acts on it, both started afresh for the emergency alone: the
swarm's own servers may be dead, hung or busy, and refuse everything while it is stopped. A campaign
counts as held when every page was read again and does not show it running. Refuses to start
anything before the stop is in the database: leave is bound to its epoch.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from guardrails.errors import SwarmError
from guardrails.model import Mode
from orchestrator.mcp_session import Session
from orchestrator.processes import ServerSpec
from servers.common.contract import ToolSpec
from servers.guardrails import contract as guardrails
from servers.instantly import contract as instantly
from servers.instantly import contract_reads as instantly_reads
from servers.instantly import contract_writes as instantly_writes

START_S = 30.0
CALL_S = 30.0
ALL_S = 90.0
_ROUNDS = 3
_AT_ONCE = 25  # leave lives for seconds: few at a time
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


@dataclass
class Held:
    """What became of the campaigns.

    Args:
        running: name by id, as they were found running.
        left: id to why, of those that are not known to be held.
        problem: why it could not be looked at all.
    """

    running: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def paused(self) -> list[str]:
        """Names of those that were found running and read back as held."""
        return [name for one, name in self.running.items() if one not in self.left]


class Holder:
    """Over the two running servers."""

    def __init__(self, asking: Session, acting: Session | None, epoch: int, press: str) -> None:
        self._instantly = asking
        self._guardrails = acting
        self._epoch = epoch
        self._press = press

    async def hold_all(self, held: Held) -> None:
        """Pause what runs, read again, and once more for what has begun meanwhile.

        Raises:
            SwarmError: it cannot be asked.
        """
        running = await self._running()
        for number in range(_ROUNDS):
            held.running |= running
            held.left = dict.fromkeys(running, "it runs")
            if not running or self._guardrails is None:
                break
            said = await self._paused(list(running), number)
            running = await self._running()
            held.left = {one: said.get(one, "it runs") for one in running}
        held.running |= running

    async def _running(self) -> dict[str, str]:
        found = await self._call(
            self._instantly, instantly.LIST_RUNNING, instantly_reads.ListRunning()
        )
        return {one.id: _plain(one.name) for one in found.campaigns}

    async def _paused(self, ids: Sequence[str], number: int) -> dict[str, str]:
        """Ask leave for each and pause them; why not, for those that it did not come to."""
        said: dict[str, str] = {}
        for first in range(0, len(ids), _AT_ONCE):
            pauses = []
            for one in ids[first : first + _AT_ONCE]:
                try:
                    pauses.append(await self._permitted(one, number))
                except SwarmError as error:
                    said[one] = error.message
            if pauses:
                asked = instantly_writes.PauseAll(pauses=tuple(pauses))
                done = await self._call(self._instantly, instantly.PAUSE_ALL, asked)
                said |= done.not_verified
        return said

    async def _permitted(self, campaign_id: str, number: int) -> instantly_writes.PauseCampaign:
        assert self._guardrails is not None
        key = f"stop:{self._epoch}:{self._press}.{number}:{campaign_id}"
        wanted = instantly_writes.PauseCampaign(key=key, permit="-", campaign_id=campaign_id)
        leave = await self._call(
            self._guardrails,
            guardrails.AUTHORIZE_WRITE,
            guardrails.AuthorizeWrite(key=key, intent=wanted.intent()),
        )
        if leave.permit is None:
            why = "; ".join(reason.text for reason in leave.reasons)
            raise SwarmError(f"no leave to pause it: {why or leave.verdict}")
        return wanted.model_copy(update={"permit": leave.permit})

    async def _call(self, session: Session, spec: ToolSpec[A, R], args: A) -> R:
        return await session.call(spec, args, CALL_S)


async def hold_campaigns(
    common: Mapping[str, str],
    own: Mapping[str, Mapping[str, str]],
    mode: Mode,
    epoch: int,
    logs: Path,
) -> Held:
    """Pause every campaign and read back that none runs; never raises.

    Args:
        common: variables of both servers: hive, configuration, sandbox.
        own: those of each, by server: `instantly` and `guardrails`.
        mode: in shadow nothing is written, so that what runs is only named.
        logs: directory of their logs.
    """
    held = Held()
    try:
        async with asyncio.timeout(ALL_S), _servers(common, own, mode, logs) as (asks, leaves):
            await Holder(asks, leaves, epoch, secrets.token_hex(3)).hold_all(held)
    except TimeoutError:
        held.problem = f"not done within {ALL_S:g} s"
    except SwarmError as error:
        held.problem = " ".join(error.message.split())[:300]
    if mode is Mode.SHADOW and held.left:
        held.left = dict.fromkeys(held.left, "the mode is shadow, which writes nothing")
    return held


@asynccontextmanager
async def _servers(
    common: Mapping[str, str], own: Mapping[str, Mapping[str, str]], mode: Mode, logs: Path
) -> AsyncIterator[tuple[Session, Session | None]]:
    """Instantly and, where something may be written, guardrails; started side by side."""
    names = ["instantly"] if mode is Mode.SHADOW else ["instantly", "guardrails"]
    emergency = {**common, "SWARM_EMERGENCY": "1", "SWARM_CHILD": "1"}
    started: dict[str, Session] = {}

    async def start(name: str) -> None:
        spec = ServerSpec(name, emergency | dict(own[name]))
        log = logs / f"emergency-{name}.log"
        started[name] = await Session.start(spec, log_file=log, timeout_s=START_S)

    try:
        results: list[Any] = await asyncio.gather(
            *(start(name) for name in names), return_exceptions=True
        )
        for result in results:
            if isinstance(result, OSError):
                raise SwarmError(f"a server cannot be started: {result.strerror}") from result
            if isinstance(result, BaseException):
                raise result
        yield started["instantly"], started.get("guardrails")
    finally:
        await asyncio.gather(*(session.close() for session in started.values()))


def _plain(name: str) -> str:
    """Outside text: one printable line, cut."""
    return "".join(letter for letter in name if letter.isprintable())[:60]
