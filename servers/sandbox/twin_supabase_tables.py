"""The tables behind the Supabase twin. Owns: their columns, what is selected, and how rows come in.

Made from `config/supabase`'s own SQL, so that a column which is not there is unknown here too.
What PostgreSQL and PostgREST refuse is refused with their code (vendor notes, section 6). Triggers
and the view are written again in Python; that SQL and twin agree is tested on a real PostgreSQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from guardrails.config import config_path

Row = dict[str, Any]
_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS public\.(\w+) \(\n(.*?)\n\);", re.DOTALL)
_COLUMN = re.compile(r'^\s+"?(\w+)"? (text|integer|bigint|boolean|jsonb|timestamptz)\b(.*?),?$')
HISTORY = "swarm_history"
_AGAINST = ("complaint", "unsubscribe", "bounce", "dnd")
_FORGETTING = ("swarm_leads", "swarm_decisions", "swarm_touches", "swarm_outcomes")


class Rejected(Exception):
    """What PostgreSQL or PostgREST would say."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Column:
    """One column as the SQL states it."""

    name: str
    type: str
    not_null: bool
    default: bool


@dataclass
class Table:
    """One table; the primary key is `key`, or `version` of the schema's own."""

    name: str
    columns: Mapping[str, Column]
    key: str
    rows: dict[Any, Row] = field(default_factory=dict)


def declared() -> dict[str, Table]:
    """The tables of the SQL, empty."""
    sql = config_path("supabase/001_memory.sql").read_text(encoding="utf-8")
    tables = {}
    for name, body in _TABLE.findall(sql):
        found = [match for line in body.splitlines() if (match := _COLUMN.match(line))]
        columns = {
            one[1]: Column(
                one[1], one[2], "NOT NULL" in one[3] or "PRIMARY KEY" in one[3],
                "DEFAULT" in one[3],
            )
            for one in found
        }  # fmt: skip
        (key,) = (one[1] for one in found if "PRIMARY KEY" in one[3])
        tables[name] = Table(name, columns, key)
    return tables


class Tables:
    """All of them. `made` is False until somebody ran the SQL in this project."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._tables = declared()
        self._tables["swarm_schema"].rows[1] = {"version": 1, "applied_at": self._now()}

    def names(self) -> tuple[str, ...]:
        """What can be selected from."""
        return (*self._tables, HISTORY)

    def rows(self, name: str, who: Collection[str] | None = None) -> list[Row]:
        """Every row of a table or of the view, in the order of arrival.

        Args:
            who: of the view only theirs.
        """
        return self._history(who) if name == HISTORY else list(self._tables[name].rows.values())

    def columns(self, name: str) -> Mapping[str, str]:
        """Column to type."""
        if name == HISTORY:
            texts = ("who", "what", "kind", "detail", "mode", "origin", "key")
            types = dict.fromkeys(texts, "text")
            return types | {"weight": "integer", "at": "timestamptz", "sandbox": "boolean"}
        return {column.name: column.type for column in self._tables[name].columns.values()}

    def take(
        self, name: str, given: Sequence[Row], on_conflict: Sequence[str], resolution: str | None
    ) -> list[Row]:
        """Insert, or upsert. All or nothing; gives the rows that were written.

        Raises:
            Rejected: as PostgreSQL would.
        """
        table = self._tables[name]
        if resolution is not None and (*(on_conflict or (table.key,)),) != (table.key,):
            said = "there is no unique or exclusion constraint matching the ON CONFLICT"
            raise Rejected(400, "42P10", f"{said} specification")
        rows = [self._whole(table, row) for row in given]
        seen: set[Any] = set()
        written: dict[Any, Row] = {}
        for row in rows:
            key = row[table.key]
            if key in seen and resolution == "merge-duplicates":
                said = "ON CONFLICT DO UPDATE command cannot affect row a second time"
                raise Rejected(500, "21000", said)
            there = key in table.rows or key in written
            seen.add(key)
            if there and resolution is None:
                said = f'duplicate key value violates unique constraint "{name}_pkey"'
                raise Rejected(409, "23505", said)
            if there and resolution == "ignore-duplicates":
                continue
            if (kept := self._triggered(name, row)) is not None:
                written[key] = kept
        table.rows |= written
        return list(written.values())

    def change(self, name: str, rows: Iterable[Row], values: Row) -> list[Row]:
        """Update these rows."""
        table = self._tables[name]
        changed = [self._whole(table, row | values) for row in rows]
        table.rows |= {row[table.key]: row for row in changed}
        return changed

    def drop(self, name: str, rows: Iterable[Row]) -> list[Row]:
        """Delete these rows."""
        table = self._tables[name]
        return [table.rows.pop(row[table.key]) for row in list(rows)]

    def _whole(self, table: Table, given: Row) -> Row:
        for name in given:
            if name not in table.columns:
                said = f"Could not find the '{name}' column of '{table.name}' in the schema cache"
                raise Rejected(400, "PGRST204", said)
        row: Row = {}
        for column in table.columns.values():
            value = given.get(column.name)
            if column.name not in given and column.default:
                value = self._now()
            if value is None and column.not_null:
                said = f'null value in column "{column.name}" of relation "{table.name}" violates'
                raise Rejected(400, "23502", f"{said} not-null constraint")
            row[column.name] = None if value is None else typed(column.type, value)
        return row

    def _triggered(self, name: str, row: Row) -> Row | None:
        if name == "swarm_lessons":
            spoken = (row["event"] or {}).get("text")
            return None if spoken and self._forgotten(row) else row | {"recorded_at": self._now()}
        return None if name in _FORGETTING and self._forgotten(row) else row

    def _forgotten(self, row: Row) -> bool:
        return any(
            one["lead_id"] == row["lead_id"] and one["at"] >= row["at"]
            for one in self._tables["swarm_erasures"].rows.values()
        )

    def _history(self, whose: Collection[str] | None) -> list[Row]:
        found = []
        parts = (
            ("swarm_suppressions", "suppression", 0, "key", "reason", "source"),
            ("swarm_outcomes", "outcome", 3, "lead_id", "kind", "reply_class"),
            ("swarm_touches", "touch", 2, "lead_id", "channel", None),
            ("swarm_leads", "lead", 4, "lead_id", "state", None),
        )
        for table, what, weight, who, kind, detail in parts:
            for row in self._tables[table].rows.values():
                if row[who] is None or (whose is not None and row[who] not in whose):
                    continue
                told = {name: row.get(name) for name in ("at", "mode", "origin", "sandbox", "key")}
                told |= {"who": row[who], "weight": weight, "what": what, "kind": row[kind]}
                if what == "outcome" and row[kind] in _AGAINST:
                    told["weight"] = 1
                found.append(told | {"detail": row[detail] if detail else None})
        return found

    def _now(self) -> str:
        return _moment(self._clock())


def typed(kind: str, value: Any) -> Any:
    """A value as the column keeps it.

    Raises:
        Rejected: it is none of that type.
    """
    try:
        if kind == "timestamptz":
            return _moment(datetime.fromisoformat(value.replace("Z", "+00:00")))
        if kind in ("integer", "bigint"):
            return int(value)
        if kind == "boolean":
            return {"true": True, "false": False, True: True, False: False}[value]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        code = "22007" if kind == "timestamptz" else "22P02"
        raise Rejected(400, code, f"invalid input syntax for type {kind}") from error
    if kind == "jsonb":
        return json.loads(json.dumps(value))
    text = value if isinstance(value, str) else json.dumps(value)
    if "\x00" in text:
        raise Rejected(400, "22P05", "unsupported Unicode escape sequence")
    return text


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
