"""Who somebody is. Owns: normal forms of e-mail addresses and domains, and their keyed hashes.

People appear in logs, permits and the audit only by these hashes (P8). Refuses addresses that it
cannot normalise: a wrong identity would slip past a suppression.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import idna

from guardrails.errors import BadInput

if TYPE_CHECKING:
    from tldextract import TLDExtract

_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}\Z")
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_RESERVED = ("example", "test", "invalid", "localhost")  # RFC 2606: never in the public list


def normalise_email(text: str) -> str:
    """`text` lower-cased, its domain in ASCII (IDNA): one address has one form.

    Raises:
        BadInput: not one address that ordinary mail can reach. The text is not repeated.
    """
    local, at, domain = unicodedata.normalize("NFC", text).strip().lower().rpartition("@")
    if not at or not _LOCAL.match(local) or len(local) > 64:
        raise BadInput("not an e-mail address", remedy="Give one address such as ana@firm.example.")
    address = f"{local}@{normalise_domain(domain)}"
    if len(address) > 254:
        raise BadInput("not an e-mail address: longer than 254 characters")
    return address


def normalise_domain(text: str) -> str:
    """`text` as a lower-case ASCII domain of at least two labels, without the root dot.

    Raises:
        BadInput: not a domain name (a single label, an IP address, characters IDNA forbids).
    """
    domain = text.strip().lower().removesuffix(".")
    if not domain.isascii() or "xn--" in domain:
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise BadInput("not a domain name: it breaks the IDNA rules") from error
    if len(domain) > 253 or not _DOMAIN.match(domain):
        raise BadInput("not a domain name", remedy="Give a name such as firm.example.")
    return domain


def dedupe_key(email: str) -> str:
    """What makes two addresses the same person: no plus-tag; for Gmail no dots, one domain.

    Raises:
        BadInput: not an e-mail address.
    """
    local, _, domain = normalise_email(email).partition("@")
    plain = local.partition("+")[0].rstrip(".") or local  # `ana.+crm`: a name ends in no dot
    if domain in _GMAIL:
        plain, domain = plain.replace(".", ""), "gmail.com"
    return f"{plain}@{domain}"


def lead_id(salt: bytes, key: str) -> str:
    """`L-` and 20 hex digits: keyed hash of a dedupe key."""
    return "L-" + _keyed(salt, "lead", key)[:20]


def subject_hash(salt: bytes, email_or_domain: str) -> str:
    """64 hex digits: keyed hash of an address or a domain in its normal form.

    Raises:
        BadInput: neither an address nor a domain.
    """
    normal = normalise_email if "@" in email_or_domain else normalise_domain
    return _keyed(salt, "subject", normal(email_or_domain))


def person_id(salt: bytes, name: str) -> str:
    """`U-` and 16 hex digits: one of our own people, by Slack user id or configured name."""
    return "U-" + _keyed(salt, "person", name.strip().casefold())[:16]


def recipient_hash(salt: bytes, recipient: str) -> str:
    """64 hex digits: whom a write concerns, as ledger and permit name it.

    An address or a domain gives its `subject_hash`; anything else (`contact:<id>`,
    `campaign:<id>`) the same keyed hash over its text.
    """
    try:
        return subject_hash(salt, recipient)
    except BadInput:
        return _keyed(salt, "subject", recipient)


def domain_matches(domain: str, listed: str) -> bool:
    """Whether `domain` is `listed` or below it, in any case and spelling (IDNA).

    Raises:
        BadInput: one of them is not a domain.
    """
    name, parent = normalise_domain(domain), normalise_domain(listed)
    return name == parent or name.endswith(f".{parent}")


def registrable(domain: str) -> str:
    """The part of `domain` somebody registered: `mail.firm.co.uk` gives `firm.co.uk`.

    From the public suffix list bundled with tldextract (no network, private suffixes off). A
    reserved name such as `a.firm.example` gives its last two labels; a bare suffix gives itself.

    Raises:
        BadInput: not a domain.
    """
    return _registrable(normalise_domain(domain))


@lru_cache(maxsize=65536)
def _registrable(name: str) -> str:
    labels = name.split(".")
    if labels[-1] in _RESERVED:
        return ".".join(labels[-2:])
    return _suffixes()(name).top_domain_under_public_suffix or name


@lru_cache(maxsize=1)
def _suffixes() -> TLDExtract:
    # Imported at first use: it loads an HTTP library that no other part of this package needs.
    from tldextract import TLDExtract  # noqa: PLC0415

    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=False)


def _keyed(salt: bytes, kind: str, text: str) -> str:
    return hmac.new(salt, f"{kind}\0{text}".encode(), hashlib.sha256).hexdigest()
