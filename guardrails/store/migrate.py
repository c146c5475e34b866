"""The database's schema over time. Owns: the numbered migrations and which one is applied.

A migration is a file of plain SQL that SQLite and PostgreSQL both understand, frozen once
released; `tables.py` describes where they lead. Safe when many processes start at once: one
migrates, the others wait and find it done. Refuses a database that a newer version has migrated.
"""

from __future__ import annotations

from importlib import resources

from sqlalchemy import Connection, text

from guardrails.errors import ConfigError

_PACKAGE = "guardrails.store.migrations"
_ADVISORY_LOCK = 0x5357_4152_4D01  # any constant that nobody else uses in this database


def migrations() -> list[tuple[int, list[str]]]:
    """Every migration as (number, statements), in order, numbered from 1 without gaps."""
    files = sorted(
        (item for item in resources.files(_PACKAGE).iterdir() if item.name.endswith(".sql")),
        key=lambda item: item.name,
    )
    numbered = [
        (int(item.name.partition("_")[0]), _statements(item.read_text(encoding="utf-8")))
        for item in files
    ]
    if [number for number, _ in numbered] != list(range(1, len(numbered) + 1)):
        raise ConfigError("the migrations are not numbered 1, 2, 3 ...: the installation is torn")
    return numbered


def migrate(conn: Connection) -> int:
    """Bring the database to the newest schema within `conn`'s write transaction.

    Returns:
        The schema version, now that of this installation.

    Raises:
        ConfigError: the database's schema is newer than this installation knows.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    conn.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"))
    current = conn.execute(
        text("SELECT COALESCE(MAX(version), 0) FROM schema_version")
    ).scalar_one()
    known = migrations()
    if current > len(known):
        raise ConfigError(
            f"the database has schema {current}; this version knows up to {len(known)}",
            remedy="Upgrade the swarm; an older version must not write to a newer database.",
        )
    for number, statements in known[current:]:
        for statement in statements:
            conn.execute(text(statement))
        conn.execute(text("INSERT INTO schema_version VALUES (:version)"), {"version": number})
    return len(known)


def _statements(script: str) -> list[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
