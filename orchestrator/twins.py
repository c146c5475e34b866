"""The sandbox's vendor twins as a child of the queen. Owns: their start, address and counts."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from guardrails.errors import ConfigError, ServerUnavailable
from servers.common import contract_sandbox

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
SEED = 7


def sandbox_offset(values: Mapping[str, str], *, sandbox: bool) -> float:
    """Seconds that the sandbox's clock is ahead, by SWARM_SANDBOX_OFFSET_S.

    Raises:
        ConfigError: it is set and this is not the sandbox, or it is no number.
    """
    text = values.get("SWARM_SANDBOX_OFFSET_S")
    if text is None:
        return 0.0
    if not sandbox:
        raise ConfigError("SWARM_SANDBOX_OFFSET_S: only the sandbox has a clock of its own")
    try:
        offset = float(text)
    except ValueError:
        offset = math.nan
    if not math.isfinite(offset):
        raise ConfigError("SWARM_SANDBOX_OFFSET_S is not a number of seconds")
    return offset


@dataclass(frozen=True)
class Twins:
    """Running twins: `env` holds the base URLs and the sandbox's keys."""

    port: int
    env: Mapping[str, str]

    async def writes(self) -> int:
        """How many write requests the twins have counted since they started.

        Raises:
            ServerUnavailable: they died; zero is never assumed.
        """
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                answer = await client.get(f"http://127.0.0.1:{self.port}/_twin/counts")
            counts: dict[str, Any] = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServerUnavailable(
                "the vendor twins died, so their count of writes is lost",
                remedy="What was decided is on record; start the same command again.",
            ) from error
        return int(counts["by_kind"].get("write", 0))


@contextlib.asynccontextmanager
async def joined_twins(port: int, offset_s: float = 0.0) -> AsyncIterator[Twins]:
    """The twins that somebody else runs on `port` (`swarm sandbox --port`); they outlive us.

    Their clock is set to ours.

    Raises:
        ServerUnavailable: nobody answers there.
    """
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            control = f"http://127.0.0.1:{port}/_twin"
            ahead = await client.post(f"{control}/clock", json={"offset_s": offset_s})
            ahead.raise_for_status()
            answer = await client.get(f"{control}/env")
        env: dict[str, str] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServerUnavailable(
            f"no vendor twins answer on port {port}",
            remedy=f"Start them with `swarm sandbox --port {port}`, or leave --twins out.",
        ) from error
    yield Twins(port=port, env=env)


async def twins_environment(port: int) -> dict[str, str]:
    """Base URLs and keys of the twins on `port`, whose clock is left alone.

    Of twins that do not answer: addresses at which nobody answers, so that whoever uses them
    finds a vendor that is down.
    """
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/_twin/env")
        env: dict[str, str] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        env = contract_sandbox.nobody(f"http://127.0.0.1:{port}")
    return env


async def slack_told(slack_base_url: str, request_url: str) -> None:
    """Have the sandbox's Slack send clicks to `request_url`, as a person enters it in the real one.

    Raises:
        ServerUnavailable: nobody answers there, or no twin does.
    """
    control = f"{slack_base_url.removesuffix('/slack')}/_twin/behaviour"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.post(control, json={"slack_request_url": request_url})
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ServerUnavailable("the sandbox's Slack does not know where clicks go") from error


@contextlib.asynccontextmanager
async def running_twins(
    seed: int = SEED, rate_limits: Sequence[str] = (), offset_s: float = 0.0
) -> AsyncIterator[Twins]:
    """Start the twins on a free loopback port; they end when this process does.

    Args:
        rate_limits: vendors whose published limit the twins enforce.
        offset_s: seconds that their clock is ahead of the wall's.

    Raises:
        ServerUnavailable: they did not start.
    """
    command = ["-P", "-m", "servers.sandbox", "--port", "0", "--seed", str(seed), "--watch-stdin"]
    if offset_s:
        command += ["--offset-s", repr(offset_s)]
    if rate_limits:
        command += ["--rate-limits", *rate_limits]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = await process.stdout.readline()
        if not line:
            raise ServerUnavailable("the vendor twins did not start")
        ready = orjson.loads(line)
        yield Twins(port=int(ready["port"]), env=dict(ready["env"]))
    finally:
        # Without a farewell: they hold nothing, and nobody asks them any more.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
