"""The other machines' records. Owns: reading them in their order, few in memory at a time.

They stand in the index of a shared database (`index.py`). One chain after the other, since there is
no order between machines but their clocks'.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from guardrails.audit.records import Record, opened
from guardrails.errors import AuditBroken
from guardrails.store import Store
from guardrails.store.tables import audit_heads, audit_index

_PAGE = 200  # rows at a time, each with its line


def records_elsewhere(own: str, store: Store, day: str | None = None) -> Iterator[Record]:
    """Every record of the chains other than `own`, or those of `day` (of their files).

    Raises:
        AuditBroken: a line is not there, or not the record that was indexed.
        StoreUnavailable: the index cannot be read.
    """
    with store.read() as conn:
        others = select(audit_heads.c.chain).where(audit_heads.c.chain != own)
        chains = conn.execute(others.order_by(audit_heads.c.chain)).scalars().all()
    for chain in chains:
        yield from _of_chain(chain, store, day)


def _of_chain(chain: str, store: Store, day: str | None) -> Iterator[Record]:
    columns = (audit_index.c.seq, audit_index.c.hash, audit_index.c.line)
    query = select(*columns).where(audit_index.c.chain == chain).order_by(audit_index.c.seq)
    if day is not None:
        query = query.where(audit_index.c.day == day)
    seen = 0
    while True:
        with store.read() as conn:
            rows = conn.execute(query.where(audit_index.c.seq > seen).limit(_PAGE)).all()
        for row in rows:
            yield _record(chain, row.seq, row.line, row.hash)
        if len(rows) < _PAGE:
            return
        seen = rows[-1].seq


def _record(chain: str, seq: int, line: str | None, digest: str) -> Record:
    if line is None:
        raise AuditBroken(f"record {seq} of chain {chain} stands in another machine's files only")
    try:
        record = opened(line.encode())
    except ValueError as error:
        raise AuditBroken(f"record {seq} of chain {chain} is {error}") from error
    if (record["hash"], record["chain"], record["seq"]) != (digest, chain, seq):
        raise AuditBroken(f"record {seq} of chain {chain} was replaced by another one")
    return record
