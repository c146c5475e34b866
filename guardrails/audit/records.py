"""One audit record. Owns: its fields, its canonical line and its hash.

A record names people only by salted ids: what looks like an e-mail address is refused, so that
erasing a person never touches the chain. Refuses bodies that do not survive a round trip
through JSON: their hash could not be checked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guardrails.addresses import ADDRESS
from guardrails.errors import BadInput
from guardrails.model import canonical_json

GENESIS = "0" * 64  # `prev` of the first record
MAX_BYTES = 4 * 1024 * 1024  # of one line
_FIELDS = {
    *("seq", "audit_id", "at", "kind", "actor", "chain", "lead_id", "run_id", "decision_id"),
    *("body", "prev", "hash"),
}
Record = dict[str, Any]


@dataclass(frozen=True)
class AuditEntry:
    """What is to be recorded.

    Args:
        kind: review, authorize, approval, outcome, stop, config_change ...
        actor: which part, or the salted id of which person, decided.
        body: JSON-able; keys are strings; no e-mail address anywhere in it.
        decision_id: makes recording idempotent: a second record of it is not written.
    """

    kind: str
    actor: str
    body: Mapping[str, Any] = field(default_factory=dict)
    decision_id: str | None = None
    lead_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class AuditRef:
    """A record that is on disk and in the index. `existing`: it was there before this call."""

    audit_id: str
    hash: str
    seq: int
    existing: bool


@dataclass(frozen=True)
class AuditHead:
    """The newest anchored record; `seq` 0 and the genesis hash when there is none."""

    seq: int
    hash: str


@dataclass(frozen=True)
class BadRecord:
    """The first place where the chain does not hold."""

    file: str
    line: int  # 1-based; 0 when the file itself is missing or unreadable
    seq: int  # the sequence number that should stand there
    why: str


@dataclass(frozen=True)
class AuditReport:
    """Answer of `verify`.

    Args:
        ok: the files are the chain that the anchor seals.
        records: how many records were read and hold, in order, from the first.
        head: hash of the last of them.
        first_bad: the first record that does not hold.
        problem: the same in one sentence.
        uncommitted: whole records after the anchor: written, not yet acknowledged to anybody.
        uncommitted_tail: the last line is unfinished; the next append cuts it off.
    """

    ok: bool
    records: int
    head: str
    first_bad: BadRecord | None = None
    problem: str | None = None
    uncommitted: int = 0
    uncommitted_tail: bool = False


def audit_id_of(decision_id: str) -> str:
    """`A-` and 16 hex digits, the same for the same decision."""
    return "A-" + hashlib.sha256(f"audit\0{decision_id}".encode()).hexdigest()[:16]


def checked(entry: AuditEntry) -> AuditEntry:
    """`entry` when it may be recorded.

    Raises:
        BadInput: an e-mail address in it, not JSON, or larger than 4 MiB.
    """
    _string_keys(entry.body)
    try:
        encoded = canonical_json(vars(entry))
    except (TypeError, ValueError) as error:
        raise BadInput(f"audit {entry.kind}: the body is not JSON: {error}") from error
    if len(encoded) > MAX_BYTES - 4096:
        raise BadInput(f"audit {entry.kind}: a record is at most 4 MiB")
    if b"@" in encoded and ADDRESS.search(encoded.decode()):
        raise BadInput(
            f"audit {entry.kind}: an e-mail address in the record",
            remedy="Refer to people by lead_id; pass outside text through without_addresses().",
        )
    return entry


def sealed(record: Record) -> tuple[Record, bytes]:
    """`record` with its hash, and the line that goes into the file."""
    full = {**record, "hash": _hash(record)}
    return full, line_of(full)


def line_of(record: Record) -> bytes:
    """The line of a sealed record."""
    return canonical_json(record) + b"\n"


def opened(line: bytes) -> Record:
    """The record in `line`, its own hash verified.

    Raises:
        ValueError: says what is wrong with it.
    """
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ValueError("not JSON: damaged or edited") from error
    if not isinstance(record, dict) or set(record) != _FIELDS:
        raise ValueError("not an audit record: fields are missing or added")
    if not isinstance(record["seq"], int) or not isinstance(record["hash"], str):
        raise ValueError("not an audit record: seq or hash has the wrong type")
    try:
        canonical = canonical_json(record) + b"\n"
    except ValueError as error:
        raise ValueError("not an audit record: not canonical JSON") from error
    if canonical != line:
        raise ValueError("edited: not in canonical form")
    content = {key: value for key, value in record.items() if key != "hash"}
    if _hash(content) != record["hash"]:
        raise ValueError("edited: its content does not match its hash")
    return record


def misfit(record: Record, before: AuditHead, chain: str) -> str | None:
    """Why `record` cannot be the one after `before`; None when it is."""
    expected = before.seq + 1
    if record["chain"] != chain:
        return f"belongs to chain {record['chain']!r}, this is {chain!r}"
    if record["seq"] > expected:
        return f"has number {record['seq']}: {expected} is missing before it (deleted?)"
    if record["seq"] < expected:
        return f"has number {record['seq']}, expected {expected}: inserted or out of order"
    if record["prev"] != before.hash:
        return "does not follow the record before it: one of the two was replaced"
    return None


def _hash(record: Record) -> str:
    return hashlib.sha256(canonical_json(record)).hexdigest()


def _string_keys(value: Any) -> None:
    # JSON would turn other keys into strings and sort them differently when read back.
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadInput(f"audit body: key {key!r} is not a string")
            _string_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _string_keys(item)
