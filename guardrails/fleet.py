"""What all hives of one database share. Owns: that they know the same people, and who does what
alone.

People are known by hashes under the hive's salt. A hive with another salt would not recognise who
opted out elsewhere: it is refused before it reads or writes anything. Scheduled work is a duty:
whoever holds it does it, and whoever comes next takes it over when the holder falls silent.
"""

from __future__ import annotations

import hmac

from sqlalchemy import Connection, delete, or_, select, update

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.store.fleet_tables import duties, fleet
from guardrails.store.moments import database_now, db_moment
from guardrails.store.rows import insert_if_absent


def salt_check(salt: bytes) -> str:
    """A digest that tells equal salts apart from others, and nothing about the salt."""
    return hmac.digest(salt, b"chiefaiofficer-swarm fleet", "sha256").hex()


def require_same_salt(conn: Connection, hive: Hive) -> None:
    """Make this hive's salt the database's, or see that it is. In a write transaction.

    Raises:
        ConfigError: the database belongs to hives with another salt.
    """
    mine = salt_check(hive.salt())
    insert_if_absent(conn, fleet, {"id": 1, "salt_check": mine, "created_at": database_now(conn)})
    theirs: str = conn.execute(select(fleet.c.salt_check).where(fleet.c.id == 1)).scalar_one()
    if not hmac.compare_digest(mine, theirs):
        raise ConfigError(
            f"{hive.keys_dir / 'salt'} is not the salt that this database was filled with",
            remedy="Copy keys/salt (mode 0600) from a machine that works on this database, "
            "before this hive is used for the first time; or give SWARM_DATABASE_URL another one.",
        )


def hold(conn: Connection, duty: str, holder: str, seconds: float) -> bool:
    """Take or keep a duty until `seconds` from now. In a write transaction.

    Returns:
        Whether `holder` has it now. Of concurrent callers at most one gets True.
    """
    until = db_moment(seconds)
    mine = or_(duties.c.holder == holder, duties.c.until <= db_moment())
    kept = update(duties).where(duties.c.name == duty, mine).values(holder=holder, until=until)
    if conn.execute(kept.returning(duties.c.name)).first() is not None:
        return True
    now = database_now(conn)
    if not insert_if_absent(conn, duties, {"name": duty, "holder": holder, "until": now}):
        return False  # somebody has it
    return conn.execute(kept.returning(duties.c.name)).first() is not None


def let_go(conn: Connection, duty: str, holder: str) -> None:
    """Leave a duty to whoever comes next."""
    conn.execute(delete(duties).where(duties.c.name == duty, duties.c.holder == holder))
