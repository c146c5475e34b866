"""What `swarm monitor` does. Owns: joining the monitor's parts, its lock, its signals, its output.

The monitor's own composition root: it opens no server, no engine, and none of the vendors' keys.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.clock import Clock, shifted, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import ConfigError, NotFound, StoreUnavailable
from guardrails.heartbeats import Beating, ended_word, host_name, put, retire, tag_of
from guardrails.hive import Hive
from guardrails.leases import end_silent
from guardrails.store import Store
from orchestrator.environment import Environment
from orchestrator.health.bounded import Bounded
from orchestrator.health.database import Database
from orchestrator.health.look import Look
from orchestrator.health.memory import MemoryFile
from orchestrator.health.model import Limits
from orchestrator.health.monitor import Addresses, Monitor, keep_watch
from orchestrator.health.outside import Outside
from orchestrator.health.process import forget_other_keys, only_one, stand_alone, until_signalled
from orchestrator.health.show import show_once, shower
from orchestrator.health.slack import has_slack, slack
from orchestrator.health.telling import AlertFile, Messenger
from orchestrator.logs import logging_to
from orchestrator.report import console
from orchestrator.twins import sandbox_offset

_LAST_WORD_S = 5.0


@dataclass(frozen=True)
class MonitorArguments:
    """What the command line says."""

    hive: Path
    config: Path | None
    once: bool
    interval_s: float | None
    sandbox: bool
    as_json: bool


def run_monitor(asked: MonitorArguments, environment: Environment) -> int:
    """Watch until told to end: 0. Once: 0 when all is well, 1 when something is wrong."""
    config = load_config(asked.config)
    hive = Hive.existing(asked.hive)
    if asked.sandbox:
        Hive.open(asked.hive, sandbox=True)  # refuses a real one
    clock = shifted(sandbox_offset(environment.values, sandbox=hive.sandbox))
    values = environment.for_server("monitor")
    forget_other_keys(values)
    stand_alone()
    interval_s = asked.interval_s or config.production.monitor.interval_s
    with logging_to(hive.logs_dir / "monitor.log"), only_one(hive) as alone:
        if not alone and not asked.once:
            raise ConfigError(
                f"another health monitor watches {hive.path}",
                remedy="One is enough; `swarm monitor --once` looks beside it.",
            )
        database = Database(hive, values.get("SWARM_DATABASE_URL"))
        with _watching(hive, database, config, values, interval_s, clock, alone=alone) as monitor:
            if asked.once:
                return show_once(monitor.round(interval_s), as_json=asked.as_json)
            stop = until_signalled()
            keep_watch(monitor, interval_s, stop, shower(as_json=asked.as_json))
    return 0


def retire_process(name: str, hive: Path, environment: Environment, *, as_json: bool) -> int:
    """Expect a process no more; a queen's session is over, too."""
    opened = Hive.existing(hive)
    database = Database(opened, environment.values.get("SWARM_DATABASE_URL"))
    try:
        with database.store().transaction() as conn:
            if not retire(conn, name) + end_silent(conn, name):
                raise NotFound(f"no process {name!r}", remedy="`swarm status` names them.")
    finally:
        database.close()
    if as_json:
        sys.stdout.write(json.dumps({"retired": name}) + "\n")
    else:
        console().print(f"{name} is expected no more.")
    return 0


@contextlib.contextmanager
def _watching(
    hive: Hive,
    database: Database,
    config: Config,
    values: Mapping[str, str],
    interval_s: float,
    clock: Clock,
    *,
    alone: bool,
) -> Iterator[Monitor]:
    """The monitor with all its parts. One that is not alone writes and tells nothing."""
    rules = config.production.monitor
    tag = tag_of(hive, shared=bool(values.get("SWARM_DATABASE_URL")))
    beating = _Beat(database, interval_s, tag)
    try:
        yield Monitor(
            Look(
                hive,
                database,
                config,
                now=utc_now,
                clock=clock,
                beat=beating.row if alone else None,
            ),
            Limits(rules, config.production.auto_pause),
            MemoryFile(hive, writes=alone),
            Messenger(
                AlertFile(hive.path) if alone else None,
                slack(values, rules.tell_timeout_s, rules.mention, sandbox=hive.sandbox)
                if alone
                else None,
                host_name(),
                sandbox=hive.sandbox,
            ),
            Outside(utc_now, rules.tell_timeout_s, sandbox=hive.sandbox),
            Addresses(
                heartbeat=values.get("HEARTBEAT_URL") if alone else None,
                slack=values.get("SLACK_BASE_URL"),
                gateway=values.get("GATEWAY_PUBLIC_URL"),
                uses_slack=has_slack(values, sandbox=hive.sandbox),
            ),
            utc_now,
        )
    finally:
        if alone:
            beating.end()
        database.close()


class _Beat:
    """Our own heartbeat; its row is written by whoever looks."""

    def __init__(self, database: Database, interval_s: float, tag: str | None) -> None:
        self._database = database
        self._beating = Beating(None, "monitor", utc_now, max(1, round(interval_s)), tag=tag)
        self._written = False

    def row(self) -> dict[str, Any]:
        """For `heartbeats.put`."""
        self._written = True
        return self._beating.row()

    def end(self) -> None:
        """Say that we end; nobody waits for it long."""
        if not self._written:
            return

        def work() -> None:
            store: Store = self._database.store()
            with store.transaction() as conn:
                put(conn, self._beating.row(ended_word(utc_now)))

        with contextlib.suppress(StoreUnavailable, TimeoutError):
            Bounded().run(work, _LAST_WORD_S)
