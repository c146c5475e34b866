"""What the database knows about a decision before it is made. Owns: that one read.

Stop, suppression and "already decided" are read in one snapshot. Refuses nothing itself; what it
cannot read is `StoreUnavailable`, and nobody decides (P6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from guardrails.brakes.stop import StopSwitch
from guardrails.errors import BadInput
from guardrails.identity import dedupe_key, normalise_domain, subject_hash
from guardrails.model import Dossier
from guardrails.policy.case import host_of
from guardrails.store.tables import audit_index, suppressions

# Built once: building a statement costs more than running it.
_LISTED = (
    select(suppressions.c.kind, suppressions.c.reason, suppressions.c.source)
    .where(suppressions.c.subject_hash.in_(bindparam("hashes", expanding=True)))
    .order_by(suppressions.c.created_at)
    .limit(1)
)
_DECIDED = select(audit_index.c.seq).where(audit_index.c.decision_id == bindparam("decision_id"))


@dataclass(frozen=True)
class Known:
    """One snapshot: why stopped, why suppressed, whether the decision is on record."""

    stopped: str | None
    suppression: str | None
    decided: bool


def subjects(dossier: Dossier, salt: bytes) -> frozenset[str]:
    """Keyed hashes under which the person or the company may be suppressed."""
    return hashes_of(_names(dossier), salt)


def hashes_of(names: Iterable[str], salt: bytes) -> frozenset[str]:
    """The same for these addresses and domains; what is neither is left out."""
    return frozenset(_hashes(names, salt))


def snapshot(conn: Connection, stop: StopSwitch, hashes: frozenset[str], decision_id: str) -> Known:
    """Read all three in one transaction. Driver errors become StoreUnavailable outside."""
    state = stop.state_in(conn)
    reason = (state.reason or "no reason given") if state.stopped else None
    listed = conn.execute(_LISTED, {"hashes": list(hashes)}).first()
    decided = conn.execute(_DECIDED, {"decision_id": decision_id}).first()
    return Known(
        stopped=reason,
        suppression=f"{listed.kind}, {listed.reason} ({listed.source})" if listed else None,
        decided=decided is not None,
    )


def _names(dossier: Dossier) -> Iterator[str]:
    lead = dossier.lead
    if lead.email:
        yield lead.email
        yield lead.email.rpartition("@")[2]
    if lead.domain:
        yield lead.domain
    if lead.website and (host := host_of(lead.website)):
        yield host
    for name in ("domain", "parent_domain"):
        fact = dossier.facts.get(name)
        if fact is not None and isinstance(fact.value, str):
            yield fact.value


def _hashes(names: Iterable[str], salt: bytes) -> Iterator[str]:
    for name in names:
        try:
            yield subject_hash(salt, name)
            if "@" in name:
                yield subject_hash(salt, dedupe_key(name))
                continue
            # A suppressed domain covers everything below it, as `is_suppressed` has it.
            labels = normalise_domain(name).split(".")
            for start in range(1, len(labels) - 1):
                yield subject_hash(salt, ".".join(labels[start:]))
        except BadInput:
            continue  # no address or domain: nothing can be suppressed under it
