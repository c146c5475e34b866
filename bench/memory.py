"""Memory of the queen and her servers after 10, 1,000 and 10,000 leads (goal: flat)."""

from __future__ import annotations

import asyncio

import psutil

from bench.common import leads_file, scratch, show, swarm
from orchestrator.bootstrap import Swarm
from orchestrator.shadow import ShadowRun

SIZES = (10, 1_000, 10_000)


def _megabytes(running: Swarm) -> dict[str, tuple[float, float]]:
    pids = {"queen": psutil.Process().pid} | {
        name: pid for name, pid in running.children.pids().items() if pid
    }
    if nursery := running.children.nursery_pid:
        pids["nursery"] = nursery
    found = {}
    for name, pid in pids.items():
        full = psutil.Process(pid).memory_full_info()
        found[name] = (full.rss / 1e6, getattr(full, "pss", full.uss) / 1e6)
    return found


async def _taken(size: int) -> dict[str, tuple[float, float]]:
    with scratch() as directory:
        leads = leads_file(directory, size)
        async with swarm(directory, 16) as running:
            await ShadowRun(running, leads, None, lambda *_: None).execute(fresh=True)
            return _megabytes(running)


def main() -> None:
    """Print the table."""
    taken = {size: asyncio.run(_taken(size)) for size in SIZES}
    rows = []
    for name in taken[SIZES[0]]:
        base = taken[SIZES[0]][name][1]
        cells = [f"{taken[size][name][0]:.0f} / {taken[size][name][1]:.0f}" for size in SIZES]
        rows.append((name, *cells, f"{taken[SIZES[-1]][name][1] / base:.2f} x"))
    columns = ("process", *(f"{size:,} leads, RSS / PSS MB" for size in SIZES), "PSS, last / first")
    show("Memory", columns, rows)
