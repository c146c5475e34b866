"""Whom nobody may write to. Owns: the suppression list, kept as keyed hashes.

An entry outlives the erasure of the person it protects. There is no function that removes one.
A suppressed domain covers everything below it; a suppressed address covers its plus-tags.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from guardrails.clock import iso
from guardrails.identity import dedupe_key, normalise_domain, normalise_email, subject_hash
from guardrails.remembering import Fact, remember
from guardrails.store import insert_if_absent
from guardrails.store.tables import suppressions


def suppress(
    conn: Connection,
    salt: bytes,
    email_or_domain: str,
    kind: Literal["email", "domain"],
    reason: str,
    source: str,
    at: datetime,
) -> bool:
    """Add an address or a domain, for ever.

    Args:
        conn: of a write transaction.
        reason: stable code, e.g. opt_out, hard_bounce, complaint (at most 64 characters).
        source: where it came from, e.g. slack, instantly, import.

    Returns:
        Whether it is new; an older entry keeps its reason.

    Raises:
        BadInput: not an address, or not a domain.
    """
    normal = dedupe_key if kind == "email" else normalise_domain
    hashed = subject_hash(salt, normal(email_or_domain))
    return suppress_hash(conn, hashed, kind, reason, source, at)


def suppress_hash(
    conn: Connection,
    hashed: str,
    kind: Literal["email", "domain"],
    reason: str,
    source: str,
    at: datetime,
) -> bool:
    """The same for somebody of whom only the `subject_hash` of the dedupe key is known."""
    row = {
        "subject_hash": hashed,
        "kind": kind,
        "reason": reason,
        "source": source,
        "created_at": iso(at),
    }
    new = insert_if_absent(conn, suppressions, row)
    if new:
        document = {"kind": kind, "reason": reason, "source": source, "at": iso(at)}
        remember(conn, Fact.SUPPRESSION, hashed, iso(at), document)
    return new


def is_suppressed(conn: Connection, salt: bytes, email: str) -> str | None:
    """The reason why nobody may write to `email`, or None.

    Looks for the address, the person behind it (plus-tags, Gmail dots), its domain and every
    domain above that.

    Raises:
        BadInput: not an address: no answer is possible, and none means no.
    """
    address = normalise_email(email)
    labels = address.partition("@")[2].split(".")
    domains = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    hashes = {subject_hash(salt, name) for name in (address, dedupe_key(address), *domains)}
    query = (
        select(suppressions.c.reason)
        .where(suppressions.c.subject_hash.in_(hashes))
        .order_by(suppressions.c.created_at)
        .limit(1)
    )
    return conn.execute(query).scalar()
