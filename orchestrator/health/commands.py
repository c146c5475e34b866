"""What `swarm monitor` does. Owns: joining the monitor's parts, its lock, its signals, its output.

The monitor's own composition root: it opens no server, no engine, and none of the vendors' keys.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.clock import Clock, iso, shifted, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import ConfigError, NotFound, StoreUnavailable
from guardrails.heartbeats import Beating, ended_word, host_name, put, retire
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.environment import Environment
from orchestrator.health.bounded import Bounded
from orchestrator.health.database import Database
from orchestrator.health.look import Look
from orchestrator.health.memory import MemoryFile
from orchestrator.health.model import Limits, Severity
from orchestrator.health.monitor import Addresses, Monitor, Round, keep_watch
from orchestrator.health.outside import Outside
from orchestrator.health.telling import AlertFile, Messenger, Tell, said
from orchestrator.logs import logging_to
from orchestrator.report import console
from orchestrator.slack.tell import Told, tell
from orchestrator.twins import sandbox_offset

_LAST_WORD_S = 5.0
_STYLE = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.NOTICE: "dim"}


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
    hive = Hive.open(asked.hive, sandbox=True) if asked.sandbox else Hive.existing(asked.hive)
    clock = shifted(sandbox_offset(environment.values, sandbox=hive.sandbox))
    values = environment.for_server("monitor")
    forget_other_keys(values)
    stand_alone()
    interval_s = asked.interval_s or config.production.monitor.interval_s
    with logging_to(hive.logs_dir / "monitor.log"), _only_one(hive) as alone:
        if not alone and not asked.once:
            raise ConfigError(
                f"another health monitor watches {hive.path}",
                remedy="One is enough; `swarm monitor --once` looks beside it.",
            )
        database = Database(hive, values.get("SWARM_DATABASE_URL"))
        with _watching(hive, database, config, values, interval_s, clock, alone=alone) as monitor:
            if asked.once:
                return _once(monitor.round(interval_s), as_json=asked.as_json)
            stop = _until_signalled()
            keep_watch(monitor, interval_s, stop, _shown(as_json=asked.as_json))
    return 0


def retire_process(name: str, hive: Path, environment: Environment, *, as_json: bool) -> int:
    """Expect a process no more."""
    opened = Hive.existing(hive)
    database = Database(opened, environment.values.get("SWARM_DATABASE_URL"))
    try:
        with database.store().transaction() as conn:
            if not retire(conn, name):
                raise NotFound(f"no process {name!r}", remedy="`swarm status` names them.")
    finally:
        database.close()
    if as_json:
        sys.stdout.write(json.dumps({"retired": name}) + "\n")
    else:
        console().print(f"{name} is expected no more.", markup=False)
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
    beating = _Beat(database, interval_s)
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
                _slack(values, rules.tell_timeout_s, rules.mention, hive.sandbox)
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
                uses_slack=_has_slack(values),
            ),
            utc_now,
        )
    finally:
        if alone:
            beating.end()
        database.close()


class _Beat:
    """Our own heartbeat; its row is written by whoever looks."""

    def __init__(self, database: Database, interval_s: float) -> None:
        self._database = database
        self._beating = Beating(None, "monitor", utc_now, max(1, round(interval_s)))
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


def _has_slack(values: Mapping[str, str]) -> bool:
    bot = values.get("SLACK_BOT_TOKEN") and values.get("SLACK_CHANNEL_ID")
    return bool(bot or values.get("SLACK_WEBHOOK_URL"))


def _slack(values: Mapping[str, str], wait_s: float, mention: str, sandbox: bool) -> Tell | None:
    if not _has_slack(values):
        return None

    def post(text: str, urgent: bool) -> Told:
        return tell(
            text,
            bot_token=values.get("SLACK_BOT_TOKEN"),
            channel=values.get("SLACK_CHANNEL_ID"),
            webhook_url=values.get("SLACK_WEBHOOK_URL"),
            base_url=values.get("SLACK_BASE_URL"),
            timeout_s=wait_s,
            sandbox=sandbox,
            mention=mention if urgent else "",
        )

    return post


def forget_other_keys(kept: Mapping[str, str]) -> None:
    """Take every other variable of the swarm out of this process's environment (P8)."""
    from orchestrator.environment import VARIABLES  # noqa: PLC0415

    for variable in VARIABLES:
        if variable.name not in kept:
            os.environ.pop(variable.name, None)


def stand_alone() -> None:
    """Be nobody's child: no terminal's end and no process group's end reaches the watch."""
    if sys.stdin is not None and sys.stdin.isatty():
        return  # somebody watches it watch
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(PermissionError):  # it leads a group already
        os.setsid()


@contextlib.contextmanager
def _only_one(hive: Hive) -> Iterator[bool]:
    """Whether no other monitor watches this hive, for the block."""
    try:
        descriptor = os.open(hive.path / "monitor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield True  # a full or read-only disk is no reason not to watch
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _until_signalled() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _once(found: Round, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(_document(found), ensure_ascii=False) + "\n")
    else:
        _print(found)
    return 0 if found.well else 1


def _shown(*, as_json: bool) -> Any:
    def show(found: Round) -> None:
        if not found.news:
            return
        try:
            if as_json:
                sys.stdout.write(json.dumps(_document(found), ensure_ascii=False) + "\n")
            else:
                for news in found.news:
                    sys.stdout.write(f"{iso(news.at)} {said(news)}\n")
            sys.stdout.flush()
        except OSError:
            return  # whoever read us is gone; the watch goes on

    return show


def _print(found: Round) -> None:
    out = console()
    for one in found.incidents:
        out.print(
            f"{one.severity.value.upper()}: {one.what}", style=_STYLE[one.severity], markup=False
        )
        out.print(f"  since {one.since:%Y-%m-%d %H:%M:%S} UTC. {one.do}", markup=False)
    for part, why in found.seen.why.items():
        out.print(f"could not be looked at: {part} ({why})", style="yellow", markup=False)
    if found.well:
        beats = found.seen.work.heartbeats if found.seen.work else ()
        known = ", ".join(beat.name for beat in beats if beat.expected)
        out.print(f"All is well. Running: {known or 'nothing, and nothing is expected to'}.")


def _document(found: Round) -> dict[str, Any]:
    return {
        "at": iso(found.seen.now),
        "host": found.seen.host,
        "well": found.well,
        "incidents": [one.model_dump(mode="json") for one in found.incidents],
        "news": [{"kind": news.kind, "key": news.incident.key} for news in found.news],
        "told": found.told.way if found.told else None,
        "untold": found.untold,
        "dead_mans_switch": found.switch,
        "unread": dict(found.seen.why),
    }
