"""One failure. Owns: its columns, what of it may be told, and which failures are one cause.

A detail is short, of one line, and without keys and addresses, whoever wrote it (P8). Refuses a
kind that is not in the closed set.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from guardrails.brakes.failure_kinds import KINDS, FailureKind

DETAIL_CHARS = 300
_CONTROL = re.compile(  # and halves of characters, which nobody can write down
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"
)
_ADDRESS = re.compile(r"[^\s\"'<>,;:()\[\]]+(?:@|%40)[^\s\"'<>,;:()\[\]]+", re.IGNORECASE)
_KEYS = (
    re.compile(r"\b(bearer|basic|api-key)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"\bey[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),  # a JWT
    re.compile(r"\b(?:pit|sk|pk|rk|xox[a-z]|xapp|sb_secret|sb_publishable)[-_][A-Za-z0-9_-]{6,}"),
    re.compile(
        r"(?i)\b((?:api[-_ ]?key|token|secret|password|authorization)\"?\s*[=:]\s*\"?)"
        r"[^\s\"',;]{4,}"
    ),
    # Long mixed text is a key or an id: neither helps a person, and both would part clusters.
    re.compile(r"\b(?=[A-Za-z0-9_+/=-]*\d)(?=[A-Za-z0-9_+/=-]*[A-Za-z])[A-Za-z0-9_+/=-]{32,}"),
)
# Order counts: what holds digits comes before the digits.
_VARYING = (
    (re.compile(r"<address>|\*{3}|\[address\]"), "<x>"),
    (re.compile(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?"), "<t>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}"), "<ip>"),
    (re.compile(r"\b(?=[a-z_-]*\d)[a-z0-9_-]{12,}\b"), "<id>"),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{6,}\b"), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One row of table `failures`. Get it by `FailureTracker.row`."""

    failure_id: str
    at: str
    server: str
    operation: str
    vendor: str | None
    kind: FailureKind
    status: int | None
    signature: str
    detail: str
    lead_id: str | None
    run_id: str | None
    attempt: int
    cost_micros: int
    injected: str | None


def clean(text: str, limit: int = DETAIL_CHARS) -> str:
    """`text` in one line of at most `limit` characters, without keys and e-mail addresses."""
    if len(text) > 4 * limit:  # what is cut in the middle could no longer be recognised
        text = text[: 4 * limit].rpartition(" ")[0]
    text = _CONTROL.sub(" ", text)
    text = _ADDRESS.sub("<address>", text)
    for pattern in _KEYS:
        text = pattern.sub(lambda found: f"{found[1]}***" if found.lastindex else "***", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def signature_of(
    kind: str,
    *,
    server: str,
    vendor: str | None,
    operation: str,
    status: int | None,
    detail: str,
) -> str:
    """16 hex digits that failures of one cause share.

    Ids, numbers, addresses and instants in `detail` do not count, and neither does letter case.
    What a vendor does counts the same from whichever server it was asked.
    """
    where = vendor or server
    parts = (kind, where, operation, str(status), normalised(detail))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def normalised(detail: str) -> str:
    """`detail` without all that differs between two occurrences of one cause."""
    text = clean(detail).lower()
    for pattern, stands_for in _VARYING:
        text = pattern.sub(stands_for, text)
    return text.strip()


def checked_kind(kind: str) -> str:
    """`kind`, when it is one.

    Raises:
        ValueError: not in the closed set.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of failure")
    return kind
