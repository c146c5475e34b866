"""From SQLite to PostgreSQL. Owns: that nobody works meanwhile, and that it is all or nothing.

Everything is copied and compared in one transaction of the new database, while a write transaction
keeps everybody else out of the old one: killed anywhere, the new database is empty or whole and
the old one is as it was. When the new one is whole and its audit holds, the old file is closed to
writes and set aside, so that nobody goes on with it by mistake. Doing it again after a kill
finishes it. Refuses a hive in which anybody works, and a database that anybody has used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, select, text

from guardrails.audit.files import DayFiles
from guardrails.audit.verify_fleet import verify_fleet
from guardrails.audit.whole import require_whole_audit
from guardrails.brakes.stop_processes import opened_by
from guardrails.clock import Clock
from guardrails.errors import AuditBroken, NotFound, Refused
from guardrails.fleet import require_same_salt
from guardrails.heartbeats import Heartbeat, host_name, read_heartbeats
from guardrails.hive import Hive, sync_directory
from guardrails.kernel import process_state
from guardrails.store import Store, open_store
from guardrails.store.engine import postgres_engine
from guardrails.store.migrate import migrate
from guardrails.store.store import was_migrated
from orchestrator.engine import Engine
from orchestrator.migrate_copy import Counted, copy, counted, our_tables, source_rows, stored_rows

_BEATS = 3  # intervals of silence after which nobody is taken to live on another host
_CLOSED = "this database was migrated to PostgreSQL: set SWARM_DATABASE_URL"
_SLOW_MS = 120_000
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Migrated:
    """What was done.

    Args:
        to: the new database, without its password.
        set_aside: the old file's new name, in the hive.
    """

    to: str
    tables: tuple[Counted, ...]
    audit_records: int
    set_aside: str

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


def migrate_to(hive: Hive, url: str, clock: Clock, tell: Tell = lambda _: None) -> Migrated:
    """Move a hive's database.

    Args:
        tell: told what is being done.

    Raises:
        NotFound: the hive has no SQLite database.
        Refused: somebody works in the hive, the new database was used, or a row cannot go there.
        ConfigError: a queen works here, not a PostgreSQL URL, or hives with another salt.
        AuditBroken: the audit does not hold, before or after.
        StoreUnavailable: either database fails. The old one is as it was.
    """
    if not hive.database_file.is_file():
        why = "it was migrated before" if was_migrated(hive) else "nothing to migrate"
        raise NotFound(f"{hive.path} holds no {hive.database_file.name}: {why}")
    with ExitStack() as stack:
        target = Store(postgres_engine(url, busy_ms=_SLOW_MS))
        stack.callback(target.close)
        stack.enter_context(_nobody_works(hive, clock))
        stack.enter_context(DayFiles(hive.audit_dir).locked())
        with closing(open_store(hive)) as source:
            require_whole_audit(hive, source, clock)
            with source.transaction() as old:
                done = _copied(hive, old, target, tell)
                tell("checking the audit over the new database")
                records = _checked(hive, url, clock)
                for statement in _closing_statements():
                    old.execute(text(statement))
        aside = _set_aside(hive.database_file, f"{clock():%Y%m%dT%H%M%SZ}")
    return Migrated(
        to=make_url(url).render_as_string(hide_password=True),
        tables=done,
        audit_records=records,
        set_aside=aside,
    )


def _copied(hive: Hive, old: Connection, target: Store, tell: Tell) -> tuple[Counted, ...]:
    """Everything, in one transaction; or the proof that it was done before a kill."""
    with target.transaction() as new:
        fresh = _require_unused(new)
        migrate(new)
        require_same_salt(new, hive)
        if not fresh and not _is_pristine(new):
            return _same(hive, old, new, tell)
        done = []
        for table in our_tables():
            tell(f"copying {table.name}")
            sent = copy(hive, old, new, table)
            if counted(table, stored_rows(new, table)) != sent:
                raise Refused(f"{table.name}: what was read back is not what was copied")
            done.append(sent)
    return tuple(done)


def _same(hive: Hive, old: Connection, new: Connection, tell: Tell) -> tuple[Counted, ...]:
    done = []
    for table in our_tables():
        tell(f"comparing {table.name}")
        there = counted(table, stored_rows(new, table))
        if there != counted(table, source_rows(hive, old, table)):
            raise Refused(
                f"the new database was used: its {table.name} is not this hive's",
                remedy="Give --to an empty database. Nothing was changed.",
            )
        done.append(there)
    return tuple(done)


def _require_unused(new: Connection) -> bool:
    """Whether none of our tables is there. An engine must never have worked there."""
    seen = inspect(new)
    if seen.has_table("workflow_status", schema="dbos"):
        raise Refused(
            "a queen has worked on the new database",
            remedy="Give --to an empty database. Nothing was changed.",
        )
    return not seen.has_table("schema_version")


def _is_pristine(new: Connection) -> bool:
    """Whether the tables are there and nothing was ever written into them."""
    untouched = True
    for table in our_tables():
        rows = new.execute(select(table).limit(2)).mappings().all()
        if table.name == "stop_state":
            untouched &= [(row["epoch"], row["stopped"]) for row in rows] == [(0, False)]
        else:
            untouched &= not rows
    return untouched


def _checked(hive: Hive, url: str, clock: Clock) -> int:
    """The audit over the new database, as anybody would check it there."""
    with closing(open_store(hive, url)) as store:
        records = require_whole_audit(hive, store, clock)
        fleet = verify_fleet(hive, store)
    if not fleet.ok:
        raise AuditBroken(f"over the new database the audit does not hold: {fleet.problem}")
    return records


@contextmanager
def _nobody_works(hive: Hive, clock: Clock) -> Iterator[None]:
    """Hold the queen's lock, and see that nobody else is at it."""
    engine = Engine(hive, None)
    engine.lock()
    try:
        if pids := opened_by(hive.database_file):
            raise _at_work(hive, ", ".join(f"process {pid}" for pid in pids))
        with closing(open_store(hive)) as store, store.read() as conn:
            alive = [beat for beat in read_heartbeats(conn) if _lives(beat, clock())]
        if alive:
            raise _at_work(hive, ", ".join(f"{one.name} ({one.pid})" for one in alive))
        yield
    finally:
        engine.unlock()


def _lives(beat: Heartbeat, now: datetime) -> bool:
    """Whether it is at work: on this machine the kernel says so, on another one its last beat."""
    if beat.host == host_name():
        state = process_state(beat.pid)
        return state is not None and state[0] not in "ZX" and beat.born in (None, state[1])
    silent = timedelta(seconds=_BEATS * beat.interval_s + 15)
    return beat.expected and now - beat.beat_at < silent


def _at_work(hive: Hive, who: str) -> Refused:
    return Refused(
        f"{hive.path} is in use: {who}",
        remedy="End them (queen, gateway, monitor, servers), then do this again.",
    )


def _closing_statements() -> Iterator[str]:
    """Whoever still has the old file open can write nothing into it any more."""
    for table in our_tables():
        for what in ("INSERT", "UPDATE", "DELETE"):
            name = f"migrated_{table.name}_{what.lower()}"
            yield (
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {what} ON {table.name} "
                f"BEGIN SELECT RAISE(ABORT, '{_CLOSED}'); END"
            )


def _set_aside(file: Path, stamp: str) -> str:
    with closing(sqlite3.connect(file, timeout=5)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the one file
    aside = f"{file.name}.migrated-{stamp}"
    for ending in ("-wal", "-shm", ""):  # the file itself last: until then it is found again
        part = file.with_name(file.name + ending)
        if part.exists():
            part.rename(file.with_name(aside + ending))
    sync_directory(file.parent)
    return aside
