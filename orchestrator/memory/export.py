"""Everything that is remembered, as JSON lines. Owns: a process of its own, with the key (P8).

`python -P -m orchestrator.memory.export`, started by `swarm memory export`. One object a line:
`{"table": ..., "row": {...}}`, page by page, nothing kept. A page begins after the last key of the
one before: what is erased or written anew meanwhile moves no other row out of sight. Exit code 1
when it could not go to the end: what was written before is whole lines.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import orjson

from guardrails.errors import SwarmError
from orchestrator.memory.rows import SHELVES
from orchestrator.memory.settings import MemorySettings
from orchestrator.memory.wire import MemoryWire

TABLES = (*(shelf.table for shelf in SHELVES.values()), "swarm_databases")


async def export(wire: MemoryWire, write: Any, *, sandbox: bool) -> int:
    """Write every row of this kind of hives by `write(bytes)`. Gives how many.

    Raises:
        MemoryAway, MemoryRefused: not all of it was written.
    """
    wanted = {"sandbox": ("eq", "true" if sandbox else "false")}
    number = 0
    for table in TABLES:
        after = ""
        while rows := await wire.page(table, wanted | {"key": ("gt", after)}, ("key",), 0):
            write(b"".join(orjson.dumps({"table": table, "row": row}) + b"\n" for row in rows))
            after = str(rows[-1]["key"])
            number += len(rows)
    return number


async def _main() -> int:
    settings = MemorySettings()
    key = settings.key.get_secret_value()
    try:
        async with MemoryWire(settings.project(), key) as wire:
            out = sys.stdout.buffer
            number = await export(wire, out.write, sandbox=settings.sandbox)
            out.flush()
    except SwarmError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n{error.remedy}\n")
        return 1
    except OSError as error:  # whoever read went away, or the disk is full
        sys.stderr.write(f"It could not be written to the end: {error.strerror}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left over
        return 1
    sys.stderr.write(f"{number} rows\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(_main()))
