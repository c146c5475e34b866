"""What the benchmarks share: temporary hives, lead files, the bare peer, printing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import mcp
from mcp.client.stdio import StdioServerParameters
from rich.console import Console
from rich.table import Table

from orchestrator.bootstrap import Swarm, running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from servers.sandbox.leads import write_leads_csv

BARE = StdioServerParameters(
    command=sys.executable, args=[str(Path(__file__).parent / "bare_server.py")]
)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for one measurement."""
    with tempfile.TemporaryDirectory(prefix="swarm-bench-") as name:
        yield Path(name)


def leads_file(directory: Path, count: int, seed: int = 11) -> Path:
    """A CSV of `count` plausible leads."""
    path = directory / f"leads-{count}-{seed}.csv"
    write_leads_csv(path, count, seed)
    return path


@asynccontextmanager
async def swarm(
    directory: Path, concurrency: int, values: Mapping[str, str] | None = None
) -> AsyncIterator[Swarm]:
    """A whole swarm over zero-latency twins, in a hive of its own. `values`: its variables."""
    options = Options(
        hive=directory / "hive",
        sandbox=True,
        concurrency=concurrency,
        hunter_roots=(directory,),
    )
    async with running_swarm(options, Environment(values or {})) as running:
        yield running


@asynccontextmanager
async def bare_client() -> AsyncIterator[mcp.Client]:
    """The SDK's client on the bare server, warmed up."""
    async with mcp.Client(BARE) as client:
        await client.call_tool("echo", {"text": "x"})
        yield client


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table."""
    table = Table(title=title, box=None, header_style="bold", title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table, "")
