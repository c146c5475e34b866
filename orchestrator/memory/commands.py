"""What `swarm memory` does. Owns: opening the right parts and showing their answer.

The project's key is handed to a process of the memory's own and used by no other (P8).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from guardrails.clock import iso, parse, utc_now
from guardrails.errors import BadInput, ConfigError, ServerUnavailable
from guardrails.hive import Hive
from guardrails.remembering import remembers
from guardrails.store import Store
from orchestrator.commands import opened
from orchestrator.environment import Environment
from orchestrator.logs import logging_to
from orchestrator.memory.init import apply_to, sql
from orchestrator.memory.opening import NAME, aide_of
from orchestrator.memory.outbox import Backlog, backlog, try_again
from orchestrator.memory.standing import Standing, read_standing
from orchestrator.processes import clean_environment
from orchestrator.report import console
from orchestrator.twins import twins_environment

Json = dict[str, Any]
_POLL_S = 0.5
_SILENT = timedelta(seconds=60)  # whoever sends says so every ten
_HOW = (
    "-- Supabase's REST cannot make tables. Paste this into the project's SQL editor and run it,\n"
    "-- or set SUPABASE_DATABASE_URL=postgresql://... (Project > Connect, session or direct).\n"
)


def init(database_url: str | None, *, as_json: bool) -> int:
    """Print the SQL, or run it."""
    if database_url is None:
        text = sql()
        sys.stdout.write(json.dumps({"applied": False, "sql": text}) + "\n" if as_json else
                         _HOW + text)  # fmt: skip
        return 0
    apply_to(database_url)
    if as_json:
        sys.stdout.write(json.dumps({"applied": True}) + "\n")
    else:
        console().print("The memory's tables are made. `swarm preflight` tries the key.")
    return 0


def status(path: Path, *, as_json: bool) -> int:
    """How it stands. 1 when something was rejected, or nothing can be sent."""
    with opened(path) as (_, store):
        told = _told(store)
    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        _show(told)
    return 1 if told["set_aside"] or told["trouble"] else 0


def sync(
    path: Path, environment: Environment, wait_s: float, twins: int | None, *, as_json: bool
) -> int:
    """Send what waits, by a running queen's memory or one of our own. 1 when something is left."""
    with opened(path) as (hive, store):
        env = asyncio.run(_env(hive, environment, twins))
        with store.transaction() as conn:
            try_again(conn)
        with logging_to(hive.logs_dir / "sync.log"):
            left = asyncio.run(_until_empty(hive, store, env, wait_s, silent=as_json))
        told = _told(store)
    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        _show(told)
    return 1 if left else 0


def export(path: Path, environment: Environment, output: Path | None, twins: int | None) -> int:
    """Everything that is remembered, by a process that has the key."""
    if output is not None and output.exists():
        raise BadInput(f"{output} is there already", remedy="Give --output another name.")
    hive = Hive.existing(path)
    env = clean_environment(asyncio.run(_env(hive, environment, twins)))
    command = [sys.executable, "-P", "-m", "orchestrator.memory.export"]
    if output is None:
        return subprocess.run(command, env=env, check=False).returncode  # noqa: S603 - our own
    with output.open("xb") as file:
        return subprocess.run(command, env=env, stdout=file, check=False).returncode  # noqa: S603


async def _env(hive: Hive, environment: Environment, twins: int | None) -> dict[str, str]:
    """The variables of the memory's process."""
    if hive.sandbox:
        if twins is None:
            raise ConfigError(
                "this is a sandbox's hive: its memory is the twin in its sandbox",
                remedy="Give --twins PORT of `swarm sandbox`, or let the running queen send.",
            )
        found = await twins_environment(twins)
        if "SUPABASE_URL" not in found:
            raise ConfigError(f"no sandbox answers on port {twins}")
        environment = environment.with_values(found)
    own: Mapping[str, str] = environment.for_server(NAME)
    if not own.get("SUPABASE_URL") or not own.get("SUPABASE_KEY"):
        raise ConfigError("SUPABASE_URL or SUPABASE_KEY is not set")
    sandbox = "1" if hive.sandbox else "0"
    return {"HIVE_MIND_DIR": str(hive.path), "SWARM_SANDBOX": sandbox, "SWARM_CHILD": "1", **own}


async def _until_empty(
    hive: Hive, store: Store, env: Mapping[str, str], wait_s: float, *, silent: bool
) -> int:
    """Drain beside whoever drains, until nothing waits that can go, or for so long.

    Raises:
        ServerUnavailable: its process does not start.
    """
    out, until, before = console(stderr=True), time.monotonic() + wait_s, ""
    async with aide_of(hive, env, None) as aide:
        if not await aide.ready(wait_s):
            log = hive.logs_dir / f"{NAME}.log"
            raise ServerUnavailable("the memory's process did not start", remedy=f"See {log}.")
        while True:
            found = await store.query(backlog)
            standing, _ = await store.query(read_standing)
            going = found.waiting - found.set_aside
            if not going or time.monotonic() >= until:
                return found.waiting
            said = f"{going} to go" + (f": {standing.trouble}" if standing.trouble else "")
            if not silent and said != before:
                out.print(said)
            before = said
            await asyncio.sleep(_POLL_S)


def _told(store: Store) -> Json:
    with store.read() as conn:
        found: Backlog = backlog(conn)
        standing: Standing
        standing, seen_at = read_standing(conn)
        on = remembers(conn)
    return {
        "remembers": on,
        "waiting": found.waiting,
        "oldest": found.oldest,
        "set_aside": found.set_aside,
        "rejected": [{"kind": k, "key": key, "why": why} for k, key, why in found.rejected],
        "last_success": standing.last_success,
        "trouble": standing.trouble,
        "lessons_refused": standing.refused,
        "databases_with_another_salt": standing.strangers,
        "seen_at": seen_at,
        "now": iso(utc_now()),
    }


def _is_silent(seen_at: str | None) -> bool:
    return seen_at is None or utc_now() - parse(seen_at) > _SILENT


def _show(told: Json) -> None:
    out = console()
    if not told["remembers"]:
        out.print("There is no long-term memory here: nothing is written for one.")
        return
    since = f", the oldest since {told['oldest']}" if told["oldest"] else ""
    out.print(f"Waiting to be sent: {told['waiting']}{since}")
    out.print(f"Last time that nothing was left over: {told['last_success'] or 'never'}")
    if told["waiting"] and _is_silent(told["seen_at"]):
        seen = told["seen_at"] or "never"
        out.print(f"Nobody sends now (last seen: {seen}); a running queen does, or `swarm memory "
                  "sync`.")  # fmt: skip
    if told["trouble"]:
        out.print(f"Trouble: {told['trouble']}")
    if told["set_aside"]:
        out.print(f"Rejected by the memory, set aside: {told['set_aside']}")
    for one in told["rejected"]:
        out.print(f"  {one['kind']} {one['key']}: {one['why']}")
    if told["lessons_refused"]:
        out.print(f"Lessons there without our hives' seal: {told['lessons_refused']}")
    if told["databases_with_another_salt"]:
        out.print(
            f"Databases with another salt in the same project: "
            f"{told['databases_with_another_salt']}. They know nobody whom this one knows: copy "
            "keys/salt before a hive is first used."
        )
