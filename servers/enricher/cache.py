"""Facts already paid for. Owns: the enrichment cache, its keys and its expiry.

A person stands in it by keyed hash only. "Nobody there" is cached like an answer: it was paid for
too. Refuses nothing that a source could give again: an unreadable entry counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, select, update

from guardrails.clock import Clock, iso
from guardrails.model import Fact, FactName, Frozen
from guardrails.store import Store, upsert
from guardrails.store.tables import enrichment_cache, paid_runs
from servers.enricher.sources import SourceAnswer, SourceName

# Built once: building a statement costs more than running it.
_FIND = select(
    enrichment_cache.c.key, enrichment_cache.c.document, enrichment_cache.c.fetched_at
).where(
    enrichment_cache.c.key.in_(bindparam("keys", expanding=True)),
    enrichment_cache.c.expires_at > bindparam("now"),
)
_SETTLE = update(paid_runs).where(paid_runs.c.key == bindparam("settled")).values(status="done")


class _Document(Frozen):
    status: str
    facts: Mapping[FactName, Fact]


@dataclass(frozen=True)
class Cached:
    """An earlier answer: its facts (none when nobody was there) and when it was given."""

    facts: Mapping[FactName, Fact]
    fetched_at: datetime


class EnrichmentCache:
    """The table `enrichment_cache`."""

    def __init__(self, store: Store, clock: Clock, days: int) -> None:
        self._store = store
        self._clock = clock
        self._keep = timedelta(days=days)

    async def find(self, sources: Iterable[SourceName], subject: str) -> dict[SourceName, Cached]:
        """Unexpired answers about `subject`, by source.

        Raises:
            StoreUnavailable: the cache cannot be read, so nothing may be paid for either.
        """
        keys = {f"{source}:{subject}": source for source in sources}
        now = iso(self._clock())

        def read(conn: Connection) -> list[tuple[str, str, str]]:
            rows = conn.execute(_FIND, {"keys": list(keys), "now": now})
            return [(row.key, row.document, row.fetched_at) for row in rows]

        found: dict[SourceName, Cached] = {}
        for key, document, fetched_at in await self._store.query(read):
            cached = _parsed(keys[key], document, fetched_at)
            if cached is not None:
                found[keys[key]] = cached
        return found

    async def put(
        self, source: SourceName, subject: str, lead_id: str, answer: SourceAnswer
    ) -> None:
        """Keep a final answer; in the same transaction the paid run it came from is done.

        Raises:
            StoreUnavailable: nothing was written.
        """
        now = self._clock()
        row = {
            "key": f"{source}:{subject}",
            "lead_id": lead_id,
            "document": _Document(status=answer.status, facts=answer.facts).model_dump_json(),
            "fetched_at": iso(now),
            "expires_at": iso(now + self._keep),
        }

        def write(conn: Connection) -> None:
            upsert(conn, enrichment_cache, row, ("key",))
            if answer.settles is not None:
                conn.execute(_SETTLE, {"settled": answer.settles, "updated_at": iso(now)})

        await self._store.run(write)


def _parsed(source: SourceName, document: str, fetched_at: str) -> Cached | None:
    try:
        facts = _Document.model_validate_json(document).facts
        moment = datetime.fromisoformat(fetched_at)
    except (ValidationError, ValueError):
        return None
    marked = {
        name: fact.model_copy(update={"source": f"cache:{source}"}) for name, fact in facts.items()
    }
    return Cached(facts=marked, fetched_at=moment)
