"""The sandbox's vendor twins as a child of the queen. Owns: their start, address and counts."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from guardrails.errors import ServerUnavailable

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
SEED = 7


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
async def running_twins(seed: int = SEED, rate_limits: Sequence[str] = ()) -> AsyncIterator[Twins]:
    """Start the twins on a free loopback port; they end when this process does.

    Args:
        rate_limits: vendors whose published limit the twins enforce.

    Raises:
        ServerUnavailable: they did not start.
    """
    command = ["-P", "-m", "servers.sandbox", "--port", "0", "--seed", str(seed), "--watch-stdin"]
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
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
