"""How the swarm stands, in one document. Owns: what `swarm status` reads, and from where.

Reads only, starts nothing, and works while things are down: each part is read by itself, and one
that cannot be read is named with the reason instead of being left out. Bounded by indexes: a big
hive takes no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from guardrails.brakes.spend import SpendBook
from guardrails.clock import Clock, iso, utc_now
from guardrails.config import Config, load_config
from guardrails.errors import ConfigError, StoreUnavailable
from guardrails.heartbeats import Heartbeat, host_name, tag_of
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.store import Store
from orchestrator.earned import mode_in_force
from orchestrator.health.bounded import Bounded
from orchestrator.health.checks_process import state_of
from orchestrator.health.database import Database
from orchestrator.health.facts import Queue, WorkFacts
from orchestrator.health.incidents import troubled
from orchestrator.health.look import seen_processes, stop_file
from orchestrator.health.memory import MemoryFile
from orchestrator.health.model import Limits, Snapshot
from orchestrator.health.reading import chain_of, read_facts
from orchestrator.status_parts import deliveries_part, failures_part, leads_part, spend_part

Json = dict[str, Any]
_WAIT_S = 15.0
_DAY = timedelta(days=1)
_TOP = 5


class Status:
    """Reads one hive.

    Args:
        clock: the swarm's; `now` is what time it really is.
    """

    def __init__(
        self,
        hive: Hive,
        config_path: Path | None,
        database_url: str | None,
        *,
        clock: Clock,
        now: Clock = utc_now,
    ) -> None:
        self._hive = hive
        self._config_path = config_path
        self._database = Database(hive, database_url, migrates=False)
        self._clock = clock
        self._now = now
        self._bounded = Bounded()

    def close(self) -> None:
        """Forget the connections."""
        self._database.close()

    def read(self) -> Json:
        """The document. `unread` names what could not be read, and why."""
        unread: dict[str, str] = {}
        config = self._config(unread)
        told: Json = {
            "at": iso(self._clock()),
            "hive": str(self._hive.path),
            "sandbox": self._hive.sandbox,
            "mode": {"configured": config.production.mode.value if config else None},
            "stop": {"stopped": None, "reason": stop_file(self._hive)},
        }
        if self._database.never_was:
            told["started"] = False
        else:
            told |= self._stored(config, unread)
        memory = MemoryFile(self._hive, writes=False).load()
        told["incidents"] = [one.model_dump(mode="json") for one in troubled(memory.incidents)]
        return _with_stop(told) | {"unread": unread}

    def _config(self, unread: dict[str, str]) -> Config | None:
        try:
            return load_config(self._config_path)
        except ConfigError as error:
            unread["config"] = error.message
            return None

    def _stored(self, config: Config | None, unread: dict[str, str]) -> Json:
        if config is None:
            unread["database"] = "what it says cannot be measured without the configuration"
            return {}
        try:
            return self._bounded.run(
                lambda: self._parts(config, self._database.store(), unread), _WAIT_S
            )
        except (StoreUnavailable, TimeoutError) as error:
            self._database.close()
            why = getattr(error, "message", None)
            unread["database"] = why or f"no answer within {_WAIT_S:.0f} s"
            return {}

    def _parts(self, config: Config, store: Store, unread: dict[str, str]) -> Json:
        """Each in a transaction of its own: a table that is damaged hides no other."""
        production = config.production
        told: Json = {"tag": tag_of(self._hive, shared=store.dialect == "postgresql")}
        book = SpendBook(production.spend, self._clock)
        ledger = Ledger.of(production, store, self._clock, self._hive.salt())
        day = book.day_of(self._clock())
        since = timedelta(seconds=production.monitor.key_refused_s)
        limits = Limits(production.monitor, production.auto_pause)
        must_earn = not self._hive.sandbox
        standing = mode_in_force(self._hive, store, config, None, self._clock, must_earn=must_earn)
        told["standing"] = {
            "earned": standing.mode.value,
            "lowered": standing.lowered,
            "notes": list(standing.notes()),
        }
        parts: Mapping[str, Callable[[Connection], Json]] = {
            "work": lambda conn: self._work(
                read_facts(conn, self._clock, day, since, chain_of(self._hive)), limits
            ),
            "leads": lambda conn: leads_part(conn, self._clock()),
            "sends": lambda conn: {
                "sends": ledger.held(conn) | {"by_state": deliveries_part(conn)}
            },
            "spend": lambda conn: {"spend": spend_part(book, conn)},
            "failures": lambda conn: {"failures": failures_part(conn, self._clock())},
        }
        for name, part in parts.items():
            try:
                with store.read() as conn:
                    told |= part(conn)
            except StoreUnavailable as error:
                unread[name] = error.message
        return told

    def _work(self, facts: WorkFacts, limits: Limits) -> Json:
        seen = Snapshot(self._now(), self._clock(), host_name(), hive_there=True, work=facts)
        seen = seen.with_(seen=seen_processes(facts))
        stop = facts.stop_row
        return {
            "stop_row": {"stopped": stop[0], "reason": stop[1]} if stop else None,
            "processes": [_process(beat, seen, limits) for beat in facts.heartbeats],
            "approvals": {
                "waiting": facts.approvals_waiting.count,
                "overdue": facts.approvals_overdue.count,
                "next_due": _iso(facts.approvals_waiting.oldest),
            },
            "inbox": _queue(facts.inbox) | {"failed": facts.inbox_failed},
            "visitors": _queue(facts.visitors),
            "slack": _queue(facts.slack) | {"failed": facts.slack_failed},
            "lessons": _queue(facts.lessons),
            "memory": _queue(facts.memory) | {"failed": facts.memory_rejected},
            "unknown_sends": _queue(facts.writes_unknown),
            "open_sends": _queue(facts.writes_open),
            "breakers": [
                {
                    "vendor": one.vendor, "class": one.operation_class, "state": one.state,
                    "since": _iso(one.since),
                }
                for one in facts.breakers
            ] + [
                {"vendor": one.vendor, "class": "*", "state": "damaged", "since": None}
                for one in facts.vendors if one.damaged
            ],
            "pauses": [
                {"scope": one.scope, "until": iso(one.until), "reason": one.reason}
                for one in facts.pauses
            ],
            "rates": asdict(facts.rates),
        }  # fmt: skip


def _process(beat: Heartbeat, seen: Snapshot, limits: Limits) -> Json:
    state = state_of(beat, seen, limits)
    word = state[0] if state else "running" if beat.expected else "ended"
    return {
        "name": beat.name,
        "state": word,
        "why": state[1] if state else None,
        "pid": beat.pid,
        "started_at": iso(beat.started_at),
        "heard_s": round((seen.now - beat.beat_at).total_seconds(), 1),
        "deaths_lately": len(beat.deaths),
        "says": beat.document,
    }


def _with_stop(told: Json) -> Json:
    """File and row together: either is enough, and neither row nor file is no answer."""
    row, reason = told.pop("stop_row", None), told["stop"]["reason"]
    if reason is None and row is not None:
        reason = (row["reason"] or "no reason given") if row["stopped"] else None
    known = reason is not None or row is not None or told.get("started") is False
    told["stop"] = {"stopped": reason is not None if known else None, "reason": reason}
    queens = [one for one in told.get("processes", ()) if one["name"].startswith("queen@")]
    ours = told.pop("tag", None)  # of several hives: this one's
    mine = [one for one in queens if one["name"].endswith(f"/{ours}")] or queens
    modes = [one["says"].get("mode") for one in mine if one["state"] == "running"]
    told["mode"]["in_force"] = modes[0] if modes else None
    told["mode"] |= told.pop("standing", {"earned": None, "lowered": None, "notes": []})
    return told


def _queue(queue: Queue) -> Json:
    return {"count": queue.count, "oldest": _iso(queue.oldest)}


def _iso(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
