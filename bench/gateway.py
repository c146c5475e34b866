"""What it costs to take a webhook in: against a bare route that answers 200, in the same run.

The gateway stores each visitor durably (commit and fsync) before it answers; the peer stores
nothing. Each server has one core to itself and the sender the others. One delivery after the other
shows what one waits; many at once show what a core can take, since waiting writes share a commit.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.common import scratch, show
from servers.common.contract_sandbox import RB2B_WEBHOOK_SECRET
from servers.common.listening import bound

ALONE = 600
TOGETHER = 6000
WIDTH = 64
HOOK = f"/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}"


def visitor(number: int) -> bytes:
    """A visitor as RB2B sends one."""
    fields = {
        "LinkedIn URL": f"https://www.linkedin.com/in/sample-{number}",
        "First Name": "Ana",
        "Last Name": "Sample",
        "Title": "Chief Executive Officer",
        "Company Name": "Firm Consulting",
        "Business Email": f"ana{number}@firm.example",
        "Website": "https://firm.example",
        "Industry": "Consulting",
        "Employee Count": 120,
        "City": "Springfield",
        "State": "IL",
        "Zipcode": "62701",
        "Seen At": "2026-03-10T14:00:00.000+00:00",
        "Referrer": "https://search.example",
        "Captured URL": "https://us.example/pricing",
        "Tags": "pricing",
    }
    return json.dumps(fields).encode()


@contextmanager
def served(*arguments: str, port: int) -> Iterator[psutil.Process]:
    """A server on a core of its own, once it answers."""
    cores = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-P", *arguments], stdout=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {cores[0]})
    os.sched_setaffinity(0, set(cores[1:]) or {cores[0]})
    try:
        asyncio.run(_answers(port))
        yield psutil.Process(process.pid)
    finally:
        os.sched_setaffinity(0, set(cores))
        process.terminate()
        process.wait(30)


async def _answers(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


def free_port() -> int:
    """A port that is free now."""
    with bound("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


async def _post(port: int, path: str, numbers: Iterator[int], took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        body = visitor(number)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        started = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(3)
        took.append(time.perf_counter() - started)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.splitlines()[0].decode())
    writer.close()


@dataclass(frozen=True)
class Measured:
    """Seconds of each delivery alone; of many at once, how many a second and CPU seconds each."""

    alone: list[float]
    rate: float
    cpu: float


async def _measured(server: psutil.Process, port: int, path: str) -> Measured:
    numbers = iter(range(ALONE + TOGETHER + 100))
    warm: list[float] = []
    await _post(port, path, iter([next(numbers) for _ in range(100)]), warm)
    alone: list[float] = []
    await _post(port, path, iter([next(numbers) for _ in range(ALONE)]), alone)
    used, started = _cpu(server), time.perf_counter()
    together: list[float] = []
    await asyncio.gather(*(_post(port, path, numbers, together) for _ in range(WIDTH)))
    seconds = time.perf_counter() - started
    return Measured(alone, len(together) / seconds, (_cpu(server) - used) / len(together))


def _cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def _p99(times: list[float]) -> float:
    return sorted(times)[-max(len(times) // 100, 1)]


def main() -> None:
    """Print the table."""
    with scratch() as directory:
        bare_file = str(Path(__file__).parent / "bare_gateway.py")
        port = free_port()
        with served(bare_file, str(port), port=port) as server:
            bare = asyncio.run(_measured(server, port, "/hook"))
        port = free_port()
        command = ("-m", "orchestrator.gateway", "--sandbox", "--hive", str(directory / "hive"))
        with served(*command, "--port", str(port), port=port) as server:
            ours = asyncio.run(_measured(server, port, HOOK))
    median = statistics.median
    rate = (f"{ours.rate:,.0f}/s", f"{bare.rate:,.0f}/s", f"{ours.rate / bare.rate:.2f} x")
    rows = [
        ("p50, one at a time", *_pair(median(ours.alone), median(bare.alone))),
        ("p99, one at a time", *_pair(_p99(ours.alone), _p99(bare.alone))),
        (f"{WIDTH} at a time, on one core", *rate),
        ("CPU of each of these", *_pair(ours.cpu, bare.cpu)),
    ]
    show(
        "A visitor taken in and durable, against a bare route that stores nothing",
        ("", "gateway", "bare", "ratio"),
        rows,
    )


def _pair(ours: float, bare: float) -> tuple[str, str, str]:
    return f"{ours * 1000:.2f} ms", f"{bare * 1000:.2f} ms", f"{ours / bare:.1f} x"


if __name__ == "__main__":
    main()
