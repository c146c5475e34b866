"""The durable engine behind a thin port. Owns: every contact with DBOS.

What the rest of the queen sees: register named workflows, open, start one under an id, await its
result, run a step. Everything measured about DBOS 3.4.0 that matters is applied here: WAL engine,
launch inside the running loop and after the MCP sessions are open, an explicit application
version, portable JSON, unlimited recovery attempts, one queen per database.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, StepOptions
from sqlalchemy import make_url

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.store.engine import sqlite_engine, still_option
from orchestrator.logs import adopt

Json = dict[str, Any]
WorkflowFn = Callable[..., Awaitable[Json]]

# Raise this only together with `DBOS.patch_async` for workflows that may be parked: rows of
# another version are not recovered.
APPLICATION_VERSION = "1"
EXECUTOR_ID = "queen"


class Engine:
    """Durable workflows on the hive's database. An async context manager; one per process."""

    def __init__(self, hive: Hive, database_url: str | None) -> None:
        self._hive = hive
        self._database_url = database_url
        self._lock_fd: int | None = None
        self._workflows: dict[str, WorkflowFn] = {}
        self._wrapped: dict[str, Any] = {}
        self._started: Counter[str] = Counter()
        self._session = secrets.token_hex(3)

    def register(self, name: str, workflow: WorkflowFn) -> None:
        """Make `workflow` startable as `name`. Call before `open`."""
        self._workflows[name] = workflow

    def lock(self) -> None:
        """Become the only queen of this hive, for the life of this process.

        Raises:
            ConfigError: another queen works on this hive.
        """
        self._lock_fd = _take_lock(self._hive.path / "queen.lock")

    def unlock(self) -> None:
        """Let another queen in."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    async def __aenter__(self) -> Engine:
        """Launch: interrupted workflows start again at once. Needs the lock."""
        if self._lock_fd is None:
            raise ConfigError("the engine was opened without the queen's lock")
        await asyncio.to_thread(self._create)
        adopt("dbos")
        for name, workflow in self._workflows.items():
            decorate = DBOS.workflow(name=name, max_recovery_attempts=None)
            self._wrapped[name] = decorate(_plain(workflow))
        DBOS.launch()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        # Not drained: what is in flight is recovered by the next queen.
        await asyncio.to_thread(DBOS.destroy)
        # The engine made its own threads the loop's and has just ended them: the next engine on
        # this loop, or any other `to_thread`, needs living ones.
        threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        asyncio.get_running_loop().set_default_executor(threads)

    async def run(self, name: str, workflow_id: str, *args: Any) -> Json:
        """Start a workflow, or join the one that has this id already, and await its result.

        Arguments and result are JSON values.
        """
        with SetWorkflowID(workflow_id):
            result: Json = await self._wrapped[name](*args)
        self._started.pop(workflow_id, None)  # asked for again, it gives this result
        return result

    def untried(self, workflow_id: str) -> str:
        """`workflow_id` itself, or an id made of it when this process has started that one.

        A workflow that ended in an error keeps that result for ever under its id, and one whose
        end could not be written stays pending until the next queen starts: whoever tries again
        needs another id.
        """
        tries = self._started[workflow_id]
        self._started[workflow_id] += 1
        return f"{workflow_id}:{self._session}:{tries}" if tries else workflow_id

    async def step(
        self, name: str, function: Callable[..., Coroutine[Any, Any, Json]], *args: Any
    ) -> Json:
        """Run `function` once and checkpoint its JSON result; replayed after a crash."""
        options: StepOptions = {"name": name}
        return await DBOS.run_step_async(options, function, *args)

    def _create(self) -> None:
        config: DBOSConfig = {
            "name": "chiefaiofficer-swarm",
            "system_database_url": self._url(),
            "executor_id": EXECUTOR_ID,
            "application_version": APPLICATION_VERSION,
            "serializer": DBOSPortableJSONSerializer(),
            "sys_db_pool_size": 5,
            "run_migrations": True,
            "console_log_level": "WARNING",
            "log_level": "WARNING",
        }
        if self._database_url is None:
            config["system_database_engine"] = sqlite_engine(self._hive.database_file)
        DBOS(config=config)

    def _url(self) -> str:
        if self._database_url is not None:
            url = make_url(self._database_url)
            # The engine's own locks, too, are let go when this process stands still.
            stands_still = {"options": still_option()} if "options" not in url.query else {}
            return url.update_query_dict(stands_still).render_as_string(hide_password=False)
        return f"sqlite:///{self._hive.database_file.resolve()}"


def _plain(workflow: WorkflowFn) -> WorkflowFn:
    """The engine marks functions, and a bound method cannot be marked."""

    async def body(*args: Any) -> Json:
        return await workflow(*args)

    return body


def _take_lock(path: Path) -> int:
    """Exclusive lock for the life of this process; the kernel frees it when the process dies."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise ConfigError(
            f"another swarm is running on {path.parent}",
            remedy="Wait for it, stop it, or give another --hive.",
        ) from error
    return fd
