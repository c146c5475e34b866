"""A process that asks the brakes many times at once: `python -m ... HIVE URL|- COUNT CLASS`.

Prints how many were let through. It waits for the START file, so that several begin together.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from pathlib import Path

from guardrails.brakes.desk import Request
from guardrails.brakes.vendor_state import Asked
from guardrails.errors import BreakerOpen, RateLimited
from guardrails.hive import Hive
from guardrails.store import open_store
from tests.guardrails.brakes.parts import brakes_over


async def main() -> None:
    path, url, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    hive = Hive.open(path, sandbox=True)
    store = open_store(hive, None if url == "-" else url)
    brakes = brakes_over(hive, store)

    async def ask() -> int:
        token = secrets.token_hex(4)
        try:
            await brakes.admit(Request("ghl", "search", Asked("read", 1, token, 0.0)))
        except (RateLimited, BreakerOpen):
            return 0
        return 1

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    deadline = time.monotonic() + 30
    while not (path / "START").exists() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    through = await asyncio.gather(*(ask() for _ in range(count)))
    sys.stdout.write(f"{sum(through)}\n")
    brakes.close()
    store.close()


if __name__ == "__main__":
    asyncio.run(main())
