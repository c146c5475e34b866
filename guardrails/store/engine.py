"""How a database is opened. Owns: drivers, pragmas, time-outs and pool sizes.

Both engines give the same promises: a commit that returned is on disk, and every wait ends.
Refuses: database URLs that are neither PostgreSQL nor SQLite.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from guardrails.errors import ConfigError

BUSY_MS = 30_000  # longest wait for another writer
# PostgreSQL: whoever stands still inside a transaction (a stopped process, a sleeping machine)
# keeps its locks no longer than this: shorter than others wait for them.
STILL_MS = 15_000
CONNECT_S = 10
# A peer whose cable is pulled gives no error: it is asked after these seconds without a word, this
# often and this many times, and given up within a minute. By itself a client would wait for a
# quarter of an hour, and PostgreSQL would keep a dead machine's sessions for two hours.
_ASK_AFTER_S, _ASK_EVERY_S, _ASK_TIMES = 30, 10, 3
_UNACKNOWLEDGED_MS = 60_000


def sqlite_engine(path: Path, *, busy_ms: int = BUSY_MS) -> Engine:
    """Engine on the SQLite file `path`: WAL, synchronous FULL, waits `busy_ms` for other writers.

    A statement that writes outside an explicit transaction begins an IMMEDIATE one, which is
    also what the durable engine expects of an engine handed to it.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        # Connections beyond the pool are opened and closed each time, which costs more than what
        # they are opened for: let it hold as many as work at once.
        pool_size=32,
        max_overflow=0,
        pool_timeout=BUSY_MS / 1000,
        hide_parameters=True,  # parameters are people's data; errors end up in logs
        connect_args={"timeout": busy_ms / 1000},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        _use_wal(connection, path)
        connection.execute("PRAGMA synchronous=FULL")
        # Each of many connections has a page cache of its own; SQLite's default of 2 MB apiece
        # would make the queen grow for thousands of leads.
        connection.execute("PRAGMA cache_size=-256")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


def postgres_engine(url: str, *, busy_ms: int = BUSY_MS, connect_s: int = CONNECT_S) -> Engine:
    """Engine on PostgreSQL by psycopg 3; locks and statements give up after `busy_ms`.

    Raises:
        ConfigError: not a `postgresql://` URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("SWARM_DATABASE_URL is not a URL") from error
    if parsed.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ConfigError(
            f"SWARM_DATABASE_URL: {parsed.drivername} is not supported",
            remedy="Use postgresql://user:password@host:5432/database, or unset it for SQLite.",
        )
    waits = f"-c lock_timeout={busy_ms} -c statement_timeout={busy_ms}"
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=4,
        max_overflow=8,
        pool_timeout=BUSY_MS / 1000,
        hide_parameters=True,
        connect_args={
            "connect_timeout": connect_s,
            "options": f"{waits} {session_options()}",
            **network_limits(),
        },
    )


def network_limits() -> dict[str, int]:
    """libpq's parameters by which a server that is cut off is given up within a minute."""
    return {
        "keepalives_idle": _ASK_AFTER_S,
        "keepalives_interval": _ASK_EVERY_S,
        "keepalives_count": _ASK_TIMES,
        "tcp_user_timeout": _UNACKNOWLEDGED_MS,
    }


def session_options() -> str:
    """For a connection's `options`: by which the server lets go of us when we stand still (see
    `STILL_MS`), and gives us up within a minute when we are cut off. A machine that is lost or
    comes back again and again would use up the server's connections otherwise.
    """
    settings = {
        "idle_in_transaction_session_timeout": STILL_MS,
        "tcp_keepalives_idle": _ASK_AFTER_S,
        "tcp_keepalives_interval": _ASK_EVERY_S,
        "tcp_keepalives_count": _ASK_TIMES,
        "tcp_user_timeout": _UNACKNOWLEDGED_MS,
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to WAL. Two processes doing so at once get SQLITE_BUSY at once, without the wait
    that busy_timeout promises: hence a lock of our own around the first switch.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        os.close(lock)
