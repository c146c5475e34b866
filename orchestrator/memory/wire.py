"""Speaking with the Supabase project. Owns: the client, its time limits, and what an answer means.

Everything goes through the `supabase` client. An answer is one of: fine; away (try later); refused
for everybody (a key, a table that nobody made); or these rows are rejected. Refuses to send a key
that is no JWT as a bearer token, where the project may take offence (vendor notes, section 6), and
an address that would send the key in clear text.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx

from guardrails.errors import ConfigError, SwarmError

if TYPE_CHECKING:
    from supabase import AsyncClient

T = TypeVar("T")
Row = dict[str, Any]
WRITE_S = 15.0
PAGE = 500
AGENT = "chiefaiofficer-swarm/0.1"  # a browser's would be refused with a secret key
# What PostgREST and PostgreSQL say of the tables, and of the rows themselves: classes of SQLSTATE.
_MISSING = frozenset({"PGRST204", "PGRST205", "42P01", "42P10", "42703"})
_OF_ROWS = ("21", "22", "23", "54", "P0")
_LATER = frozenset({408, 425, 429})


class MemoryAway(SwarmError):
    """Nobody answered, or only that it cannot now."""

    code = "memory_away"
    retryable = True
    default_remedy = "Nothing is lost: what is to be remembered waits in the outbox."


class MemoryRefused(SwarmError):
    """It will answer nobody until a person has done something."""

    code = "memory_refused"
    default_remedy = "Check SUPABASE_URL and SUPABASE_KEY (`swarm preflight`)."


class RowsRejected(SwarmError):
    """It takes others, and not these rows."""

    code = "memory_rows_rejected"
    default_remedy = "They are set aside: `swarm memory status` shows them."


class MemoryWire:
    """One project. An async context manager.

    Args:
        transport: stands in for the network.
    """

    def __init__(
        self, url: str, key: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        if not self._url or not key:
            raise ConfigError("SUPABASE_URL or SUPABASE_KEY is not set")
        if urlsplit(self._url).scheme != "https" and not is_loopback(self._url):
            raise ConfigError("SUPABASE_URL is not https: the key would go in clear text")
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._client: AsyncClient | None = None

    async def __aenter__(self) -> MemoryWire:
        # Imported by the one process that speaks with it: it costs a third of a second.
        from supabase import AsyncClientOptions, acreate_client  # noqa: PLC0415

        self._http = httpx.AsyncClient(
            transport=self._transport,
            timeout=httpx.Timeout(WRITE_S, connect=5.0),
            trust_env=not is_loopback(self._url),
            headers={"User-Agent": AGENT},
            event_hooks={"request": [self._as_asked], "response": [_judged]},
        )
        options = AsyncClientOptions(
            httpx_client=self._http,
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
        )
        self._client = await acreate_client(self._url, self._key, options)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def upsert(self, table: str, rows: Sequence[Row], *, merge: bool) -> frozenset[str]:
        """Write rows by their key; all of them have the same columns, and no key twice.

        Args:
            merge: overwrite what is there. Otherwise it stays as it is.

        Returns:
            Keys of the rows that a trigger kept out; it is told of those that overwrite only.

        Raises:
            MemoryAway, MemoryRefused: none is known to be written; the same again does no harm.
            RowsRejected: none was written, because of one or more of them.
        """
        query = self._table(table).upsert(
            list(rows),
            on_conflict="key",
            ignore_duplicates=not merge,
            returning=_returned(rows=merge),
        )
        if not merge:
            await self._done(query.execute(), WRITE_S)
            return frozenset()
        written = {row.get("key") for row in await self._rows(query.execute(), WRITE_S)}
        return frozenset(row["key"] for row in rows if row["key"] not in written)

    async def erase(self, table: str, lead_id: str, *, origin: str, until: str) -> None:
        """Delete a person's rows of a table: all that `origin` sent, and what others said of a
        moment up to `until` (UTC text). Raises as `upsert`.
        """
        for column, operator, value in (("origin", "eq", origin), ("at", "lte", until)):
            query = self._table(table).delete(returning=_returned(rows=False))
            query = query.eq("lead_id", lead_id).filter(column, operator, value)
            await self._done(query.execute(), WRITE_S)

    async def history(
        self, who: Sequence[str], *, sandbox: bool, limit: int, within_s: float
    ) -> list[Row]:
        """What is known of these salted ids and hashes, the weightiest first, then the newest.

        Raises:
            MemoryAway: no whole answer within `within_s` seconds. MemoryRefused.
        """
        query = (
            self._table("swarm_history")
            .select("*")
            .in_("who", list(who))
            .eq("sandbox", "true" if sandbox else "false")
            .order("weight")
            .order("at", desc=True)
            .limit(limit)
        )
        return await self._rows(query.execute(), within_s)

    async def page(
        self, table: str, filters: Mapping[str, tuple[str, str]], order: Sequence[str], offset: int
    ) -> list[Row]:
        """One page of a table in a stable order. An empty one is the end; a short one may not be:
        the project caps pages without saying so.

        Args:
            filters: column to (operator, value).

        Raises:
            MemoryAway, MemoryRefused.
        """
        query = self._table(table).select("*")
        for column, (operator, value) in filters.items():
            query = query.filter(column, operator, value)
        for column in order:
            query = query.order(column)
        return await self._rows(query.range(offset, offset + PAGE - 1).execute(), WRITE_S)

    def _table(self, name: str) -> Any:
        assert self._client is not None, "used outside its context"
        return self._client.table(name)

    async def _rows(self, asked: Awaitable[Any], within_s: float) -> list[Row]:
        answer = await self._done(asked, within_s)
        rows = answer.data
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise MemoryAway("the memory's answer has another form than PostgREST's")
        return rows

    async def _done(self, asked: Awaitable[T], within_s: float) -> T:
        try:
            async with asyncio.timeout(within_s):
                return await asked
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            # The words of a transport's error could name the key.
            raise MemoryAway(f"the memory does not answer ({type(error).__name__})") from None
        except ValueError as error:  # a torn body; also what pydantic raises
            raise MemoryAway("the memory's answer cannot be read") from error

    async def _as_asked(self, request: httpx.Request) -> None:
        is_jwt = self._key.count(".") == 2
        if not is_jwt and request.headers.get("Authorization") == f"Bearer {self._key}":
            del request.headers["Authorization"]


def is_loopback(url: str) -> bool:
    """Whether `url` stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _returned(*, rows: bool) -> Any:
    from postgrest.types import ReturnMethod  # noqa: PLC0415

    return ReturnMethod.representation if rows else ReturnMethod.minimal


async def _judged(response: httpx.Response) -> None:
    """What an answer means; the client believes more than it should."""
    await response.aread()
    if not response.is_success:
        raise _meant(response)
    request = response.request
    asks = request.method == "GET" or "=representation" in request.headers.get("Prefer", "")
    if asks is not bool(response.content.strip()):  # no rows are `[]`; a write is told with nothing
        raise MemoryAway("something else than the memory answers")


def _meant(response: httpx.Response) -> SwarmError:
    """A failure, by its code where PostgREST gives one. Rows are blamed only by PostgreSQL's word:
    a proxy, a restricted project or a full disk would have all of them set aside.
    """
    status, (code, message) = response.status_code, _words(response)
    said = ": ".join(part for part in (f"HTTP {status}", code, message) if part)
    if code in _MISSING:
        return MemoryRefused(
            f"the memory's tables are missing or older ({said})",
            remedy="`swarm memory init` prints the SQL to run in the project's SQL editor.",
        )
    if code == "42501":
        return MemoryRefused(
            f"row security keeps this key out ({said})",
            remedy="SUPABASE_KEY must be a secret key (sb_secret_...) or the service_role key.",
        )
    if status == 413 or code == "PGRST102" or (len(code) == 5 and code.startswith(_OF_ROWS)):
        return RowsRejected(said)
    if status >= 500 or status in _LATER:
        after = response.headers.get("Retry-After", "")
        wait = float(after) if after.isascii() and after.isdigit() else None
        return MemoryAway(f"the memory answers HTTP {status}", retry_after_s=wait)
    if status in (401, 403):
        return MemoryRefused(f"the memory refuses the key ({said})")
    return MemoryRefused(
        f"the memory refuses ({said})",
        remedy="Is SUPABASE_URL the project's address, and the project neither restricted nor full?"
        " `swarm preflight` asks it.",
    )


def _words(response: httpx.Response) -> tuple[str, str]:
    """PostgREST's code and message; of whatever else answers, nothing."""
    try:
        told = response.json()
    except ValueError:
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    return str(told.get("code") or ""), " ".join(str(told.get("message") or "").split())[:200]
