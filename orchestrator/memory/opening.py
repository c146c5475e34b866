"""Whether there is a long-term memory, and its process. Owns: the one place where that is decided.

For real there always is one: its variables are critical. The sandbox has one when asked for by
SWARM_SANDBOX_MEMORY, in its own twin of Supabase; without, nothing is written for one.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping

from guardrails.clock import Clock, iso
from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.remembering import begin, end, remembers
from guardrails.store import Store
from orchestrator.memory.aide import PACKAGE, Aide
from orchestrator.nursery import Nursery
from orchestrator.processes import ServerSpec

NAME = "memory"
MODULE = f"{PACKAGE}.__main__"
_SWITCH = "SWARM_SANDBOX_MEMORY"
_READY_S = 5.0


def has_memory(values: Mapping[str, str], *, sandbox: bool) -> bool:
    """Whether this swarm has a long-term memory.

    Raises:
        ConfigError: the switch says neither 0 nor 1.
    """
    if not sandbox:
        return bool(values.get("SUPABASE_URL") and values.get("SUPABASE_KEY"))
    said = values.get(_SWITCH, "0")
    if said not in ("0", "1"):
        raise ConfigError(f"{_SWITCH} is {said!r}: neither 0 nor 1")
    return said == "1"


async def switch(store: Store, clock: Clock, *, on: bool, sandbox: bool) -> None:
    """Have every process of this database write for the memory, or, in a sandbox of its own, not.

    A database that machines share, and a real one, goes on remembering: it is drained by whoever
    has the key. Raises StoreUnavailable.
    """
    if on:
        at, name = iso(clock()), secrets.token_hex(8)
        await store.run(lambda conn: begin(conn, at, name))
    elif sandbox and store.dialect == "sqlite" and await store.query(remembers):
        await store.run(end)


@contextlib.asynccontextmanager
async def started(aide: Aide | None) -> AsyncIterator[None]:
    """Start it, and give it a moment: the first leads are to be looked up as well."""
    if aide is None:
        yield
        return
    async with aide:
        await aide.ready(_READY_S)
        yield


def aide_of(hive: Hive, env: Mapping[str, str], nursery: Nursery | None) -> Aide:
    """The queen's side of it; not started yet. `env`: its variables, nobody else's."""
    return Aide(ServerSpec(NAME, env, PACKAGE), hive.logs_dir, nursery)
