"""The project's tables. Owns: the SQL, and running it where a direct database address is given.

Supabase's REST cannot make tables: the SQL goes into the project's SQL editor, or by a direct
connection (Project > Connect). It may be run again; it drops nothing.
"""

from __future__ import annotations

from typing import Any

from guardrails.config import config_path
from guardrails.errors import ConfigError, StoreUnavailable
from guardrails.store.engine import network_limits

VERSION = 1
_FILES = ("001_memory.sql",)
_CONNECT_S = 10


def sql() -> str:
    """All of it, in order."""
    parts = [config_path(f"supabase/{name}").read_text(encoding="utf-8") for name in _FILES]
    return "\n".join(parts)


def apply_sql(connection: Any, statements: str) -> None:
    """Run it on a DBAPI connection, in one transaction of the caller's."""
    with connection.cursor() as cursor:
        cursor.execute(statements)


def _require_readable(url: str) -> None:
    """What the driver cannot take apart it would quote, and the password with it."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - as below
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError("the project's database is given by no postgresql:// address")
    try:
        host = str(conninfo_to_dict(url).get("host") or "")
    except ProgrammingError:
        host = "@"
    if "@" in host:
        raise ConfigError(
            "the address of the project's database cannot be read",
            remedy="Signs such as @ : / # % in the password are written as %40 %3A %2F %23 %25.",
        )


def apply_to(url: str) -> None:
    """Make the tables in the database at `url`, all or none.

    Raises:
        ConfigError: no PostgreSQL URL. StoreUnavailable: it refuses, or cannot be reached.
    """
    import psycopg  # noqa: PLC0415 - for this command alone
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    _require_readable(url)
    try:
        limits = {"connect_timeout": _CONNECT_S, **network_limits()}
        with psycopg.connect(make_conninfo(url, **limits)) as connection:
            apply_sql(connection, sql())
    except psycopg.Error as error:
        # One line only, and none of the address: it holds the password.
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreUnavailable(f"the project's database refuses: {said[:200]}") from None
