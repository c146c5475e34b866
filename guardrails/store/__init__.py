"""The database: tables, migrations and transactions, on SQLite and PostgreSQL alike."""

from guardrails.store.engine import sqlite_engine
from guardrails.store.rows import insert_if_absent, upsert
from guardrails.store.store import Store, open_existing, open_store, unopened_store

__all__ = [
    "Store",
    "insert_if_absent",
    "open_existing",
    "open_store",
    "sqlite_engine",
    "unopened_store",
    "upsert",
]
