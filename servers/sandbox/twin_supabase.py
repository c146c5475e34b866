"""Supabase's twin: PostgREST over the memory's tables. Owns: keys, filters, pages, preferences.

True to the vendor notes, section 6: at most 1,000 rows an answer, silently; with a publishable
key row security empties every answer without an error; a browser's User-Agent is refused with a
secret key; tables that nobody made are PGRST205. What it is told counts as `remember`, never as a
vendor's write: it is the swarm's own memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Denial
from servers.sandbox.twin_supabase_tables import Rejected, Row, Tables, typed
from servers.sandbox.wire import Call, Endpoint, Refused, Site, Twin

SECRET_KEY = "sb_secret_sandbox_opens_nothing_else"  # noqa: S105 - the twin's own
LEGACY_KEY = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.sandbox"
PUBLISHABLE_KEY = "sb_publishable_sandbox_opens_nothing_else"
_NO_FILTER = frozenset({"select", "order", "limit", "offset", "on_conflict", "columns"})
_FILTER = re.compile(r"(not\.)?(eq|neq|gt|gte|lt|lte|in|is)\.(.*)", re.DOTALL)
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
Where = tuple[str, str, Any, bool]


class SupabaseTwin(Twin):
    """One project."""

    vendor = "supabase"
    denials: Mapping[Denial, tuple[int, str]] = {"revoked": (401, "Invalid API key")}

    def __init__(self, site: Site) -> None:
        super().__init__(site)

    def reset(self) -> None:
        self.tables = Tables(self.site.clock)

    def endpoints(self) -> Sequence[Endpoint]:
        one = "/rest/v1/{table}"
        return (
            Endpoint("GET", "/rest/v1", "read", self._root),
            Endpoint("GET", one, "read", self._select),
            Endpoint("HEAD", one, "read", self._select),
            Endpoint("POST", one, "remember", self._insert),
            Endpoint("PATCH", one, "remember", self._update),
            Endpoint("DELETE", one, "remember", self._delete),
        )

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        key = call.header(b"apikey")
        if key is None:
            raise Refused(_said(401, "", "No API key found in request"))
        if key not in (SECRET_KEY, LEGACY_KEY, PUBLISHABLE_KEY):
            raise Refused(_said(401, "", "Invalid API key"))
        bearer = call.header(b"authorization")
        if bearer is not None and bearer != f"Bearer {key}":
            raise Refused(_said(401, "PGRST301", "Expected 3 parts in JWT; got 1"))
        is_jwt = key == LEGACY_KEY
        if bearer is not None and not is_jwt and self.site.behaviour.supabase_refuses_bearer:
            raise Refused(_said(401, "PGRST301", "Expected 3 parts in JWT; got 1"))
        if key == SECRET_KEY and "Mozilla/" in (call.header(b"user-agent") or ""):
            raise Refused(_said(401, "", "Forbidden use of secret API key in browser"))
        name = call.params.get("table")
        if name is None:
            return
        if self.site.behaviour.supabase_empty or name not in self.tables.names():
            said = f"Could not find the table 'public.{name}' in the schema cache"
            raise Refused(_said(404, "PGRST205", said))
        if endpoint.kind == "remember" and key == PUBLISHABLE_KEY and call.method == "POST":
            said = f'new row violates row-level security policy for table "{name}"'
            raise Refused(_said(401, "42501", said))

    def failure(self, call: Call, status: int, message: str) -> Reply:
        return _said(status, "", message)

    def _root(self, call: Call) -> Reply:
        paths = {} if self.site.behaviour.supabase_empty else dict.fromkeys(self.tables.names())
        return reply(200, {"swagger": "2.0", "paths": {f"/{name}": {} for name in paths}})

    def _select(self, call: Call) -> Reply:
        return _guarded(lambda: self._selected(call))

    def _selected(self, call: Call) -> Reply:
        name = call.params["table"]
        found = self._found(call)
        for column, descending in reversed(self._order(call, name)):
            found.sort(key=lambda row: (row[column] is None, row[column]), reverse=descending)
        total, start = len(found), int(call.query.get("offset", "0"))
        cap = self.site.behaviour.supabase_most_rows
        most = min(int(call.query.get("limit", cap)), cap)
        page = found[start : start + most]
        wanted = call.query.get("select", "*")
        if wanted != "*":
            names = [self._known(name, part.strip('"')) for part in wanted.split(",")]
            page = [{one: row[one] for one in names} for row in page]
        counted = str(total) if "count=exact" in (call.header(b"prefer") or "") else "*"
        span = f"{start}-{start + len(page) - 1}" if page else "*"
        return reply(200, page, {"Content-Range": f"{span}/{counted}"})

    def _insert(self, call: Call) -> Reply:
        return _guarded(lambda: self._inserted(call))

    def _inserted(self, call: Call) -> Reply:
        prefer = call.header(b"prefer") or ""
        try:
            body = call.json()
        except ValueError:
            raise Rejected(400, "PGRST102", "Empty or invalid json") from None
        rows: list[Row] = body if isinstance(body, list) else [body]
        columns = [one.strip('"') for one in call.query.get("columns", "").split(",") if one]
        if not columns and len({frozenset(row) for row in rows}) > 1:
            raise Rejected(400, "PGRST102", "All object keys must match")
        if columns:
            default = "missing=default" in prefer
            rows = [
                {one: row.get(one) for one in columns if one in row or not default} for row in rows
            ]
        resolution = next(
            (one for one in ("merge-duplicates", "ignore-duplicates")
             if f"resolution={one}" in prefer), None,
        )  # fmt: skip
        conflict = [one for one in call.query.get("on_conflict", "").split(",") if one]
        written = self.tables.take(call.params["table"], rows, conflict, resolution)
        return _written(prefer, 201, written)

    def _update(self, call: Call) -> Reply:
        def work() -> Reply:
            rows = self._found(call)
            written = self.tables.change(call.params["table"], rows, call.json())
            return _written(call.header(b"prefer") or "", 200, written)

        return _guarded(work)

    def _delete(self, call: Call) -> Reply:
        def work() -> Reply:
            if not list(self._filters(call)):
                raise Rejected(400, "21000", "DELETE requires a WHERE clause")
            dropped = self.tables.drop(call.params["table"], self._found(call))
            return _written(call.header(b"prefer") or "", 200, dropped)

        return _guarded(work)

    def _found(self, call: Call) -> list[Row]:
        """What the filters let through. With a publishable key row security lets nothing."""
        wheres = list(self._filters(call))
        if call.header(b"apikey") == PUBLISHABLE_KEY:
            return []
        who = next((value for name, how, value, no in wheres
                    if (name, how, no) == ("who", "in", False)), None)  # fmt: skip
        rows = self.tables.rows(call.params["table"], who)
        return [row for row in rows if all(_holds(row, where) for where in wheres)]

    def _filters(self, call: Call) -> Iterator[Where]:
        name = call.params["table"]
        types = self.tables.columns(name)
        for column in call.query:
            if column in _NO_FILTER:
                continue
            self._known(name, column)
            for text in call.repeated(column):
                match = _FILTER.fullmatch(text)
                if match is None:
                    said = f'"failed to parse filter ({text})"'
                    raise Rejected(400, "PGRST100", said)
                operator, value = match[2], match[3]
                yield column, operator, _operand(operator, value, types[column]), bool(match[1])

    def _order(self, call: Call, name: str) -> list[tuple[str, bool]]:
        parts = [one.split(".") for one in call.query.get("order", "").split(",") if one]
        return [(self._known(name, one[0]), "desc" in one[1:]) for one in parts]

    def _known(self, name: str, column: str) -> str:
        if column not in self.tables.columns(name):
            raise Rejected(400, "42703", f"column {name}.{column} does not exist")
        return column


def _operand(operator: str, value: str, kind: str) -> Any:
    if operator == "is":
        return {"null": None, "true": True, "false": False}[value]
    if operator == "in":
        items = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,()]+)', value)
        return [typed(kind, quoted or plain) for quoted, plain in items]
    return typed(kind, value)


def _holds(row: Row, where: Where) -> bool:
    column, operator, value, negated = where
    here = row[column]
    if operator == "is":
        held = here is value
    elif here is None:
        return False  # as in SQL, neither true nor false
    else:
        held = here in value if operator == "in" else _COMPARED[operator](here, value)
    return held is not negated


def _guarded(work: Callable[[], Reply]) -> Reply:
    try:
        return work()
    except Rejected as no:
        return _said(no.status, no.code, no.message)


def _said(status: int, code: str, message: str) -> Reply:
    return reply(status, {"code": code, "message": message, "details": None, "hint": None})


def _written(prefer: str, status: int, rows: Sequence[Row]) -> Reply:
    if "return=representation" in prefer:
        return reply(status, list(rows))
    return Reply(201 if status == 201 else 204, b"", headers={"Preference-Applied": prefer})
