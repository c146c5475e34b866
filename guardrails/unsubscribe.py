"""Links by which people leave. Owns: the token in them, and what it proves.

A token names a lead and the keyed hash of its address, under a keyed hash of both: whoever holds it
can suppress that one address and nothing else, and learns nothing from it. It needs no database,
never expires, and reads the same in capitals, since mail programs have their own ideas about links.
Refuses everything that this hive's salt did not make, without saying why.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from guardrails.errors import BadInput, NotFound
from guardrails.identity import dedupe_key, subject_hash

_LEAD_ID = re.compile(r"L-[0-9a-f]{20}\Z")
_LEAD, _HASH, _SEAL = 10, 32, 16  # bytes
_LENGTH = 93  # characters of base32 without padding


@dataclass(frozen=True)
class Leaver:
    """Who wants no more e-mail. `hashed` is the `subject_hash` of the dedupe key."""

    lead_id: str
    hashed: str


def token(salt: bytes, lead_id: str, email: str) -> str:
    """93 characters `a-z2-7` for a link.

    Raises:
        BadInput: not a lead id, or not an e-mail address.
    """
    if not _LEAD_ID.match(lead_id):
        raise BadInput("not a lead id")
    named = bytes.fromhex(lead_id[2:]) + bytes.fromhex(subject_hash(salt, dedupe_key(email)))
    return base64.b32encode(named + _seal(salt, named)).decode().rstrip("=").lower()


def link(public_url: str, salt: bytes, lead_id: str, email: str) -> str:
    """The lead's own link at `public_url` (without a slash at its end). Raises BadInput."""
    return f"{public_url}/unsubscribe/{token(salt, lead_id, email)}"


def leaver(salt: bytes, text: str) -> Leaver:
    """Whom a token names.

    Raises:
        NotFound: this hive has not made it.
    """
    unknown = NotFound("no such link")
    if len(text) != _LENGTH or not text.isascii():
        raise unknown
    try:
        content = base64.b32decode(text.upper() + "===")
    except binascii.Error:
        raise unknown from None
    named, seal = content[:-_SEAL], content[-_SEAL:]
    if not hmac.compare_digest(seal, _seal(salt, named)):
        raise unknown
    return Leaver(f"L-{named[:_LEAD].hex()}", named[_LEAD:].hex())


def _seal(salt: bytes, named: bytes) -> bytes:
    return hmac.new(salt, b"unsubscribe\0" + named, hashlib.sha256).digest()[:_SEAL]
