"""The durable engine behind a thin port. Owns: every contact with DBOS.

What the rest of the queen sees: register named workflows, open, start one under an id, await its
result, go on with one that a dead queen left, run a step. Everything measured about DBOS 3.4.0 that
matters is applied here: WAL engine, launch inside the running loop and after the MCP sessions are
open, an explicit application version, portable JSON, unlimited recovery attempts.

Each queen is an executor of her own that nobody ever was before: the engine by itself recovers
nothing, neither here nor on another machine. Whoever has claimed a row goes on with what was left
of it (docs/adr/0022); the engine hands each workflow to one executor, and what a former one still
writes into it is not taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
from collections.abc import Awaitable, Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, StepOptions
from sqlalchemy import make_url

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.leases import new_session
from guardrails.store.engine import network_limits, session_options, sqlite_engine
from orchestrator.logs import adopt

Json = dict[str, Any]
WorkflowFn = Callable[..., Awaitable[Json]]

# Raise this when the steps of a workflow change (tests/orchestrator/test_replay.py says so): what
# another version has begun is not gone on with but begun anew.
APPLICATION_VERSION = "1"
_QUEUE = "left-to:"
_QUEUE_POLL_S = 0.5
# On SQLite the engine's end waits for its thread that looks for messages between workflows. We send
# none: it looks into an empty dictionary.
_MESSAGES_POLL_S = 0.05
_LONG_LEFT = timedelta(days=1)
_LEFT = ["PENDING", "ENQUEUED", "DELAYED"]
_PICKED_UP_S = 30.0  # so long a workflow may lie in our own queue before it is begun anew


class Engine:
    """Durable workflows on the hive's database. An async context manager; one per process.

    Args:
        executor: this queen's name at the engine, never used before; by default made of the hive's
            chain and chance.
    """

    def __init__(
        self,
        hive: Hive,
        database_url: str | None,
        executor: str | None = None,
        version: str = APPLICATION_VERSION,
    ) -> None:
        self._hive = hive
        self._database_url = database_url
        self._lock_fd: int | None = None
        self._workflows: dict[str, WorkflowFn] = {}
        self._wrapped: dict[str, Any] = {}
        self._tries = itertools.count(1)
        self._executor = executor or new_session(hive.chain_id())
        self._version = version
        self._has_queue = False  # until there is something to go on with

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
        """Launch, and start nothing by itself. Needs the lock."""
        if self._lock_fd is None:
            raise ConfigError("the engine was opened without the queen's lock")
        await asyncio.to_thread(self._create)
        adopt("dbos")
        for name, workflow in self._workflows.items():
            decorate = DBOS.workflow(name=name, max_recovery_attempts=None)
            self._wrapped[name] = decorate(_plain(workflow))
        DBOS.listen_queues([self._queue_name])
        DBOS.launch()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._has_queue:
            with contextlib.suppress(Exception):  # whoever tidies up finds it
                await DBOS.delete_queue_async(self._queue_name)
        # Not drained: whoever claims its rows goes on with what is in flight.
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
        return result

    def untried(self, about: str) -> str:
        """An id that nobody has started: a workflow that ended in an error keeps that result for
        ever under its id, and one whose end could not be written is pending there.
        """
        return f"{about}:{self._executor}:{next(self._tries)}"

    async def go_on(self, about: str) -> Json | None:
        """Go on with what a dead queen has left of `about`, to its end, if there is anything.

        Whoever calls this has claimed what it is about. What cannot be gone on with here (another
        version has begun it) is cancelled, and certainly goes on nowhere else.

        Args:
            about: what `untried` was asked for.

        Returns:
            Its result; None when there was nothing, or it is to be begun anew.
        """
        left = await DBOS.list_workflows_async(
            workflow_id_prefix=f"{about}:", status=_LEFT, load_input=False, load_output=False
        )
        ours = [one.workflow_id for one in left if one.app_version == self._version][-1:]
        others = [one.workflow_id for one in left if one.workflow_id not in ours]
        if others:
            await DBOS.cancel_workflows_async(others)
        if not ours:
            return None
        handles = await DBOS.resume_workflows_async(ours, queue_name=await self._own_queue())
        if not await self._picked_up(ours[0]):
            return None
        result: Json = await handles[0].get_result(polling_interval_sec=_QUEUE_POLL_S)
        return result

    async def tidy(self, living: Collection[str], now: datetime) -> None:
        """Put away what nobody will ever go on with: work that was left a day ago, and the queues
        of executors that are not `living`.
        """
        before = (now - _LONG_LEFT).isoformat()
        old = await DBOS.list_workflows_async(
            end_time=before, status=_LEFT, limit=500, load_input=False, load_output=False
        )
        if old:
            await DBOS.cancel_workflows_async([one.workflow_id for one in old])
        for queue in await DBOS.list_queues_async():
            executor = queue.name.removeprefix(_QUEUE)
            if executor != queue.name and executor not in (*living, self._executor):
                await DBOS.delete_queue_async(queue.name)

    async def _picked_up(self, workflow_id: str) -> bool:
        """Wait until our queue has begun it; if it does not, it will never be."""
        deadline = asyncio.get_running_loop().time() + _PICKED_UP_S
        while asyncio.get_running_loop().time() < deadline:
            status = await DBOS.get_workflow_status_async(workflow_id)
            if status is not None and status.status != "ENQUEUED":
                return True
            await asyncio.sleep(_QUEUE_POLL_S)
        await DBOS.cancel_workflows_async([workflow_id])
        return False

    async def _own_queue(self) -> str:
        """The queue that nobody but this process listens to. A person's queue of leads is not in
        it, only what is gone on with: it is made when that is needed, and made again if somebody
        tidied it away while we were silent.
        """
        self._has_queue = True
        await DBOS.register_queue_async(
            self._queue_name, polling_interval_sec=_QUEUE_POLL_S, on_conflict="always_update"
        )
        return self._queue_name

    @property
    def _queue_name(self) -> str:
        return f"{_QUEUE}{self._executor}"

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
            "executor_id": self._executor,
            "application_version": self._version,
            "serializer": DBOSPortableJSONSerializer(),
            "sys_db_pool_size": 5,
            "run_migrations": True,
            "notification_listener_polling_interval_sec": _MESSAGES_POLL_S,
            "console_log_level": "WARNING",
            "log_level": "WARNING",
        }
        if self._database_url is None:
            config["system_database_engine"] = sqlite_engine(self._hive.database_file)
        DBOS(config=config)

    def _url(self) -> str:
        if self._database_url is not None:
            url = make_url(self._database_url)
            # The engine's own locks, too, are let go when this process stands still or is lost.
            ours = {"options": session_options()} | {
                name: str(value) for name, value in network_limits().items()
            }
            missing = {name: value for name, value in ours.items() if name not in url.query}
            return url.update_query_dict(missing).render_as_string(hide_password=False)
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
